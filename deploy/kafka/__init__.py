"""The topics of cagnotte, as data (``topics.yaml``) and as a command that makes them on any broker."""
