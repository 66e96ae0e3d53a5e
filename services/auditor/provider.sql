-- account_turnover --
-- What the posting rules of wallet events debited and credited; an account may exist once in each shard.
-- What a caller booked here by hand is no event's, and is named by books.hand_postings.
SELECT coalesce(sum(greatest(-posting.amount, 0)), 0)::bigint AS debit,
       coalesce(sum(greatest(posting.amount, 0)), 0)::bigint AS credit
  FROM account
  JOIN posting ON posting.account_id = account.account_id AND posting.layer = 0
  JOIN transaction AS entry ON entry.shard_id = posting.shard_id AND entry.seq = posting.seq
 WHERE account.name = $1
   AND entry.purpose = ANY($2::text[]);
