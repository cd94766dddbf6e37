"""Checkpoint files: writing, checking, restoring, and the published weights."""
