"""The ledger's tables: functions over a connection, each beside its named statement. They neither commit nor catch."""
