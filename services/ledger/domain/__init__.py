"""What the ledger decides, as pure functions over plain values: no driver, no protobuf, no clock."""
