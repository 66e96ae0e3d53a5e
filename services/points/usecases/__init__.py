"""What callers can ask of the service: writes go through one queue, reads go by themselves."""
