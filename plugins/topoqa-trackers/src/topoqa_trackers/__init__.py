"""Experiment trackers for topoqa-train, each in a process that reads the files of a run."""
