"""From label files and graph files to batches."""
