"""L5: how a job becomes a process."""
