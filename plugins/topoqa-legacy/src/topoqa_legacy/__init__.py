"""Run directories of the previous pipeline, read by topoqa-train."""
