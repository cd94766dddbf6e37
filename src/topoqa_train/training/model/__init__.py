"""Networks that judge an interface, found by name in a registry."""
