"""Plain data that workflows produce and `ui` displays."""
