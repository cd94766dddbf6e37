"""DockQ label files, the graph folders they refer to, and how the two match; no torch."""
