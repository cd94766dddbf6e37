"""Measurements, run by `nox -s bench` and `nox -s demo`. They assert nothing."""
