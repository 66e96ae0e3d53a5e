"""How cagnotte is built, checked and run."""
