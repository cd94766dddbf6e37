"""The pages under `docs/reference/`, each made from the code that it is about."""
