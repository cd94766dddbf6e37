"""L2: the directories of runs. Reads and writes files; imports nothing above itself."""
