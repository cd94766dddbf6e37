"""Experiment tracking: a separate process that copies a run's metrics to a tracker."""
