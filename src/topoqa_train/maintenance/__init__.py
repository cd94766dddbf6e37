"""Commands that change files but do not train: init, clean, archive, filter."""
