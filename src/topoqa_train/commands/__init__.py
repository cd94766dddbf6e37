"""L7: one file per command: typed signature, help, one call down. No logic."""
