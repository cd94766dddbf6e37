"""Run directories of the previous pipeline, read-only."""
