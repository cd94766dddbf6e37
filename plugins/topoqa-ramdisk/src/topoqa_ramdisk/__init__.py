"""Training from graphs in memory, for topoqa-train: staging, and what it brings."""
