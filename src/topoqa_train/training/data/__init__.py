"""From label files and graph files to batches. This module itself stays light."""
