"""Training of a network on graphs; the only package that imports torch."""
