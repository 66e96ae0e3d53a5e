-- money_holds --
-- What is held under the wallet's purpose, with its legs; a refused one has none.
SELECT entry.transaction_id, entry.status, hold.state, entry.reference, entry.expire_time,
       coalesce(array_agg(format('%s %s%s %s', account.name,
                                 CASE posting.layer WHEN 1 THEN '-' WHEN 2 THEN '+' ELSE '?' END,
                                 abs(posting.amount), account.asset))
                  FILTER (WHERE posting.account_id IS NOT NULL), '{}') AS legs
  FROM transaction AS entry
  LEFT JOIN hold ON hold.transaction_id = entry.transaction_id
  LEFT JOIN posting ON posting.shard_id = entry.shard_id AND posting.seq = entry.seq
  LEFT JOIN account ON account.account_id = posting.account_id
 WHERE entry.purpose = $1
 GROUP BY entry.transaction_id, entry.status, hold.state, entry.reference, entry.expire_time
 ORDER BY entry.transaction_id;

-- value_holds --
SELECT hold.hold_id, member.customer_id, hold.currency, hold.quantity, hold.spent_quantity,
       hold.expire_time, hold.state
  FROM loyalty_hold AS hold
  LEFT JOIN member ON member.shard_id = hold.shard_id AND member.member_id = hold.member_id
 ORDER BY hold.hold_id;

-- settled_balance --
-- An account may exist once in each shard; its balance is the sum.
SELECT coalesce(sum(balance.posted), 0)::bigint
  FROM account
  JOIN account_balance AS balance ON balance.account_id = account.account_id
 WHERE account.name = $1;
