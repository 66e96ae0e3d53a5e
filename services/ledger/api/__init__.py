"""The ledger's door: parses requests, calls use cases, renders responses."""
