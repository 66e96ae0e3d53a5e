"""The ledger: accounts, the journal, holds and the hash chain.

It is the authority on customers' money and on the books: every event of the system ends here as balanced postings. Its
invariants, each held by the fold, by the database and by the verifier:

- a transaction's postings sum to zero per asset, in every layer;
- an account's balance less what is held never goes below its floor;
- what an account shows as held is the sum of its open holds;
- an id is decided once: its outcome, accepted or refused, is frozen;
- the journal's numbers are gapless and in commit order, and each batch is a block of one hash chain.
"""
