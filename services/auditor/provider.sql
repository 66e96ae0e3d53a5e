-- account_turnover --
-- What was ever debited and credited; an account may exist once in each shard.
SELECT coalesce(sum(greatest(-posting.amount, 0)), 0)::bigint AS debit,
       coalesce(sum(greatest(posting.amount, 0)), 0)::bigint AS credit
  FROM account
  JOIN posting ON posting.account_id = account.account_id AND posting.layer = 0
 WHERE account.name = $1;
