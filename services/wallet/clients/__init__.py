"""The only modules that call others: the payment provider, points and the ledger."""
