"""The schema of the points service, in numbered steps that only go forward."""
