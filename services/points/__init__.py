"""Points: the authority on loyalty currencies, points and kitty cents.

It owns members and their cards, programmes, tickets, lots and holds. What holds always:

- every row is the journal folded: ``domain.state.apply`` is the only way a row changes;
- a lot never gives more than it has, and expiry restores nothing;
- available + held = what is left of a member's lots, for each currency;
- a ticket is recorded once under its key, by the rules of its own time, in any order.
"""
