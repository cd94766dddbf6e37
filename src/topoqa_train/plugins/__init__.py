"""Plugins: finding them, their help text, and trying them in a separate process."""
