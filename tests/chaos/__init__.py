"""Kills by the hundred: `nox -s chaos`."""
