"""The wallet: who pays what for a basket, and the truth about each external payment leg.

It owns its database alone. Invariants: no network call inside a transaction; a leg is committed before
its provider is called; an unknown outcome is a state and never ends by a timer alone. Today it offers
its journal, its clock and its health: the rooms stand, and the checkout moves into them.
"""
