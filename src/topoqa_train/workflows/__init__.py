"""L5: visible chains of small named steps. Imports neither typer nor rich nor the screens."""
