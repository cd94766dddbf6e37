"""Pictures of the terminal for the documents."""
