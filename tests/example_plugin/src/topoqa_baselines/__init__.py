"""Baselines for topoqa-train: a command, a network, a data set and a launcher."""
