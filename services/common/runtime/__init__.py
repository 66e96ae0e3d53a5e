"""Everything that touches the world: database, broker, network, process."""
