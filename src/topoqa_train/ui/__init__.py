"""L4: plain data in, Rich renderables out. Opens no file, decides nothing."""
