"""What a run was made from, and how two runs differ."""
