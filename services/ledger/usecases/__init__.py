"""What the ledger does, one story each: load, decide, save. Only use cases open transactions."""
