"""How the built wheel is tried out."""
