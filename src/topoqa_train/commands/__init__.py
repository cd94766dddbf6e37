"""L6: one file a command: typed signature, help, one call down. No logic."""
