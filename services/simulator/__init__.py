"""A store chain in a box: its tills and its shoppers' phones replay real grocery baskets over gRPC.

It is a client like any other: it knows the protos and the common library, never a service. Every choice it makes (which
till, which tender, which till is offline and until when, who pays by phone and what goes wrong then) is a pure function
of the data and a seed, so that a second replay sends exactly the same.

``replay`` is its entry. Reading Parquet is an optional part of the distribution (``cagnotte[local]``); without it, the
replay says so instead of failing at import. ``sandbox`` is the payment provider of the embedded stack.
"""
