"""The rules: checkouts, payments, legs and refunds are decided here, purely."""
