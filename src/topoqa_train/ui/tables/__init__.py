"""Tables that are printed once."""
