"""How the Python modules under ``protos/gen`` are made and checked."""
