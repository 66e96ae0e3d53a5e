-- lots_by_member --
-- What is left of each member's lots, held value included: the ledger knows no points holds.
SELECT member_id, sum(remaining)::bigint AS quantity
  FROM lot
 WHERE currency = $1
 GROUP BY member_id
HAVING sum(remaining) <> 0
 ORDER BY member_id;

-- lot_totals --
SELECT coalesce(sum(earned), 0)::bigint AS earned,
       coalesce(sum(remaining), 0)::bigint AS remaining
  FROM lot
 WHERE currency = $1;

-- taken_back --
-- What refunded purchases had earned and lost again: it was never issued.
SELECT coalesce(sum(taken), 0)::bigint
  FROM ticket_reversal
 WHERE currency = $1;

-- balances_below --
-- The accounts below a path that hold something, in the order of their names.
SELECT account.name, balance.posted AS quantity
  FROM account
  JOIN account_balance AS balance ON balance.account_id = account.account_id
 WHERE starts_with(account.name, $1)
   AND balance.posted <> 0
 ORDER BY account.name;

-- balance_of --
-- An account may exist once in each shard; its balance is the sum.
SELECT coalesce(sum(balance.posted), 0)::bigint AS quantity
  FROM account
  JOIN account_balance AS balance ON balance.account_id = account.account_id
 WHERE account.name = $1;
