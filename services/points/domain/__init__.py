"""What the points service decides, as pure functions over frozen values.

Every write is a fold: ``decide`` looks at a ``State``, records facts, and each fact changes
the state through ``apply`` alone, so the state tables are the journal folded, by construction.
"""
