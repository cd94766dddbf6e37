"""How a job becomes a process."""
