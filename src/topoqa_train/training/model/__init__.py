"""Networks that predict DockQ of an interface, and their registry."""
