"""The SQL, one file an entity."""
