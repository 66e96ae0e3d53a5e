"""The sandbox provider: a card payment provider of our own, for development and tests.

A separate process that speaks the part of Stripe's HTTP API which the wallet uses, so that Stripe's own client library
works with it unchanged. It keeps its state on disk and obeys test cards that decline, hang, forget and lie
(docs/provider.md). It never stores or logs a card number, and takes only the numbers of its test cards.
"""
