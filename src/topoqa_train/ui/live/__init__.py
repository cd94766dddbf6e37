"""Displays that update while a training runs."""
