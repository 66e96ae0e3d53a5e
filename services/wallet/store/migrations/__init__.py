"""The schema, forward only; the shared journal is the first of it."""
