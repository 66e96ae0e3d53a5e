"""What the wallet can be asked to do, one module each."""
