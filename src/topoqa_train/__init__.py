"""Training pipeline for networks that judge protein-complex interfaces."""
