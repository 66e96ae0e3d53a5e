-- transactions_balance --
-- What is settled, and what is held, sums to zero per asset in every transaction.
SELECT format('transaction seq %s of shard %s: %s is off by %s', posting.seq, posting.shard_id,
              account.asset, sum(posting.amount)) AS offender
  FROM posting
  JOIN account ON account.account_id = posting.account_id
 GROUP BY posting.shard_id, posting.seq, account.asset, posting.layer = 0
HAVING sum(posting.amount) <> 0;

-- transactions_have_postings --
-- An accepted transaction has postings, a refused one has none, and no posting stands alone.
SELECT CASE
         WHEN entry.seq IS NULL
         THEN format('postings of seq %s of shard %s have no transaction',
                     posted.seq, posted.shard_id)
         WHEN entry.status = 0
         THEN format('transaction %s is accepted and has no posting', entry.transaction_id)
         ELSE format('transaction %s is refused and has postings', entry.transaction_id)
       END AS offender
  FROM transaction AS entry
  FULL JOIN (SELECT DISTINCT shard_id, seq FROM posting) AS posted
    ON posted.shard_id = entry.shard_id AND posted.seq = entry.seq
 WHERE entry.seq IS NULL
    OR (entry.status = 0) <> (posted.seq IS NOT NULL);

-- postings_known --
-- Every posting is on an open account of its own shard.
SELECT format('posting of account %s at seq %s: no such account in shard %s',
              posting.account_id, posting.seq, posting.shard_id) AS offender
  FROM posting
  LEFT JOIN account ON account.account_id = posting.account_id
 WHERE account.shard_id IS DISTINCT FROM posting.shard_id;

-- asset_totals --
SELECT format('%s is off by %s over all accounts', account.asset, sum(balance.posted)) AS offender
  FROM account_balance AS balance
  JOIN account ON account.account_id = balance.account_id
 GROUP BY account.asset
HAVING sum(balance.posted) <> 0;

-- running_balances --
-- Each posting's balance is the one before it plus its amount.
SELECT format('account %s, seq %s, layer %s: the balance says %s and should say %s', account_id,
              seq, layer, balance_after, balance_before + amount) AS offender
  FROM (SELECT account_id, seq, layer, amount, balance_after,
               lag(balance_after, 1, 0::bigint) OVER chain AS balance_before
          FROM posting
        WINDOW chain AS (PARTITION BY account_id, layer ORDER BY seq)) AS posting
 WHERE balance_after <> balance_before + amount;

-- floors --
-- No transaction ever took an account below its floor, or released more than was held.
SELECT format('account %s goes below its limits at seq %s', posting.account_id, posting.seq)
         AS offender
  FROM (SELECT account_id, seq, layer, balance_after,
               sum(amount) FILTER (WHERE layer <= 1)
                 OVER (PARTITION BY account_id ORDER BY seq) AS available
          FROM posting) AS posting
  JOIN account ON account.account_id = posting.account_id
 WHERE posting.available < account.floor
    OR (posting.layer = 1 AND posting.balance_after > 0)
    OR (posting.layer = 2 AND posting.balance_after < 0);

-- account_balances --
-- The stored balances are the sums of the postings, and the stored floor is the opening's.
SELECT format('account %s (%s): balances are %s/%s/%s, postings say %s/%s/%s',
              coalesce(account.account_id, balance.account_id), account.name, balance.posted,
              balance.pending_out, balance.pending_in, coalesce(folded.posted, 0),
              coalesce(folded.pending_out, 0), coalesce(folded.pending_in, 0)) AS offender
  FROM account
  FULL JOIN account_balance AS balance ON balance.account_id = account.account_id
  LEFT JOIN (SELECT account_id,
                    sum(amount) FILTER (WHERE layer = 0) AS posted,
                    -sum(amount) FILTER (WHERE layer = 1) AS pending_out,
                    sum(amount) FILTER (WHERE layer = 2) AS pending_in
               FROM posting
              GROUP BY account_id) AS folded
    ON folded.account_id = account.account_id
 WHERE (balance.posted, balance.pending_out, balance.pending_in)
       IS DISTINCT FROM
       (coalesce(folded.posted, 0), coalesce(folded.pending_out, 0), coalesce(folded.pending_in, 0))
    OR balance.floor IS DISTINCT FROM account.floor
    OR account.account_id IS NULL;

-- account_ids --
-- An account's id is made of its shard and the number of its opening.
SELECT format('account %s is not the one opened at seq %s of shard %s', name, open_seq, shard_id)
         AS offender
  FROM account
 WHERE account_id <> (shard_id::bigint << 48 | open_seq);

-- holds --
-- A hold is open until one transaction posts, voids or expires it, and one only.
SELECT format('hold %s: is %s (by seq %s), the journal says %s (by seq %s)',
              coalesce(opened.transaction_id, hold.transaction_id), hold.state, hold.resolve_seq,
              coalesce(ended.state, 0), ended.seq) AS offender
  FROM (SELECT transaction_id, shard_id, seq, expire_time
          FROM transaction
         WHERE kind = 2 AND status = 0) AS opened
  LEFT JOIN (SELECT target_id, shard_id, seq,
                    CASE kind WHEN 3 THEN 1 WHEN 4 THEN 2 WHEN 6 THEN 3 END AS state,
                    count(*) OVER (PARTITION BY target_id) AS times
               FROM transaction
              WHERE kind IN (3, 4, 6) AND status = 0) AS ended
    ON ended.target_id = opened.transaction_id
  FULL JOIN hold ON hold.transaction_id = opened.transaction_id
 WHERE (hold.shard_id, hold.expire_time, hold.state, hold.resolve_seq)
       IS DISTINCT FROM
       (opened.shard_id, opened.expire_time, coalesce(ended.state, 0), ended.seq)
    OR ended.times > 1
    OR ended.seq < opened.seq
    OR ended.shard_id <> opened.shard_id;

-- ends_without_hold --
SELECT format('transaction %s ends the hold %s, which nobody made', entry.transaction_id,
              entry.target_id) AS offender
  FROM transaction AS entry
 WHERE entry.kind IN (3, 4, 6)
   AND entry.status = 0
   AND NOT EXISTS (SELECT FROM transaction AS opened
                    WHERE opened.transaction_id = entry.target_id
                      AND opened.kind = 2
                      AND opened.status = 0);

-- reversals --
-- Each reversal names a settled original of an earlier number and of the same books.
SELECT format('reversal of %s: the table says seq %s, the journal seq %s',
              coalesce(reversing.target_id, reversal.transaction_id), reversal.reversal_seq,
              reversing.seq) AS offender
  FROM (SELECT entry.target_id, entry.shard_id, entry.seq, original.seq AS original_seq
          FROM transaction AS entry
          LEFT JOIN transaction AS original
            ON original.transaction_id = entry.target_id
           AND original.shard_id = entry.shard_id
           AND original.kind IN (1, 3)
           AND original.status = 0
           AND original.basis = entry.basis
         WHERE entry.kind = 5 AND entry.status = 0) AS reversing
  FULL JOIN reversal
    ON reversal.transaction_id = reversing.target_id
   AND reversal.reversal_seq = reversing.seq
 WHERE reversal.shard_id IS DISTINCT FROM reversing.shard_id
    OR reversing.original_seq IS NULL
    OR reversing.original_seq > reversing.seq;

-- reversals_within --
-- All reversals of a transaction together take back no more of an account than was moved there.
SELECT format('reversals of %s take back %s of account %s, which it moved by %s', back.target_id,
              back.amount, back.account_id, coalesce(moved.amount, 0)) AS offender
  FROM (SELECT entry.target_id, entry.shard_id, posting.account_id,
               sum(posting.amount) AS amount,
               min(sign(posting.amount)) AS sign_min,
               max(sign(posting.amount)) AS sign_max
          FROM transaction AS entry
          JOIN posting ON posting.shard_id = entry.shard_id AND posting.seq = entry.seq
         WHERE entry.kind = 5 AND entry.status = 0
         GROUP BY 1, 2, 3) AS back
  LEFT JOIN transaction AS original
    ON original.transaction_id = back.target_id AND original.shard_id = back.shard_id
  LEFT JOIN posting AS moved
    ON moved.shard_id = original.shard_id
   AND moved.seq = original.seq
   AND moved.account_id = back.account_id
   AND moved.layer = 0
 WHERE moved.amount IS NULL
    OR back.sign_min <> back.sign_max
    OR sign(moved.amount) = back.sign_max
    OR abs(back.amount) > abs(moved.amount);

-- account_days --
-- What was recorded on the day on which it takes effect lies beside the balance for the account's
-- last such days, from the first to the last of those postings; all other sums are account_day's.
SELECT format('account %s on %s: the day says %s/%s, postings say %s/%s',
              coalesce(folded.account_id, day.account_id),
              coalesce(folded.effective_day, day.effective_day), day.debit, day.credit,
              folded.debit, folded.credit) AS offender
  FROM (SELECT moved.account_id,
               moved.effective_day,
               balance.account_id IS NOT NULL AS carried,
               sum(greatest(-moved.amount, 0)) AS debit,
               sum(greatest(moved.amount, 0)) AS credit,
               min(moved.seq) AS first_seq,
               max(moved.seq) AS last_seq
          FROM (SELECT posting.account_id,
                       posting.seq,
                       posting.amount,
                       (entry.effective_time AT TIME ZONE 'Europe/Paris')::date AS effective_day,
                       (entry.recorded_time AT TIME ZONE 'Europe/Paris')::date AS recorded_day
                  FROM posting
                  JOIN transaction AS entry
                    ON entry.shard_id = posting.shard_id AND entry.seq = posting.seq
                 WHERE posting.layer = 0) AS moved
          LEFT JOIN account_balance AS balance
            ON balance.account_id = moved.account_id
           AND balance.day = moved.effective_day
           AND moved.recorded_day = moved.effective_day
           AND moved.seq BETWEEN balance.day_first_seq AND balance.day_last_seq
         GROUP BY 1, 2, 3) AS folded
  FULL JOIN (SELECT account_id, effective_day, FALSE AS carried, debit, credit, first_seq, last_seq
               FROM account_day
              UNION ALL
             SELECT account_id, day, TRUE, day_debit, day_credit, day_first_seq, day_last_seq
               FROM account_balance
              WHERE day IS NOT NULL
                 OR (day_debit, day_credit, day_first_seq, day_last_seq) <> (0, 0, 0, 0)) AS day
    ON day.account_id = folded.account_id
   AND day.effective_day = folded.effective_day
   AND day.carried = folded.carried
 WHERE (day.debit, day.credit, day.first_seq, day.last_seq)
       IS DISTINCT FROM (folded.debit, folded.credit, folded.first_seq, folded.last_seq);

-- gl_days --
SELECT format('general ledger %s %s on %s: the day says %s/%s, postings say %s/%s',
              coalesce(folded.gl_code, day.gl_code), coalesce(folded.asset, day.asset),
              coalesce(folded.effective_day, day.effective_day), day.debit, day.credit,
              folded.debit, folded.credit) AS offender
  FROM (SELECT posting.shard_id,
               account.gl_code,
               account.asset,
               entry.basis,
               (entry.effective_time AT TIME ZONE 'Europe/Paris')::date AS effective_day,
               (entry.recorded_time AT TIME ZONE 'Europe/Paris')::date AS recorded_day,
               sum(greatest(-posting.amount, 0)) AS debit,
               sum(greatest(posting.amount, 0)) AS credit
          FROM posting
          JOIN transaction AS entry
            ON entry.shard_id = posting.shard_id AND entry.seq = posting.seq
          JOIN account ON account.account_id = posting.account_id
         WHERE posting.layer = 0
         GROUP BY 1, 2, 3, 4, 5, 6) AS folded
  FULL JOIN gl_day AS day
    ON day.shard_id = folded.shard_id
   AND day.gl_code = folded.gl_code
   AND day.asset = folded.asset
   AND day.basis = folded.basis
   AND day.effective_day = folded.effective_day
   AND day.recorded_day = folded.recorded_day
 WHERE (day.debit, day.credit) IS DISTINCT FROM (folded.debit, folded.credit);

-- totals --
SELECT format('shard %s: the totals are not those of the journal',
              coalesce(folded.shard_id, total.shard_id)) AS offender
  FROM (SELECT head.shard_id,
               (SELECT count(*) FROM account WHERE account.shard_id = head.shard_id) AS accounts,
               (SELECT count(*) FROM transaction AS entry
                 WHERE entry.shard_id = head.shard_id AND entry.status = 0) AS transactions,
               (SELECT count(*) FROM transaction AS entry
                 WHERE entry.shard_id = head.shard_id AND entry.status <> 0) AS refusals,
               (SELECT count(*) FROM posting WHERE posting.shard_id = head.shard_id) AS postings
          FROM shard_head AS head) AS folded
  FULL JOIN journal_total AS total ON total.shard_id = folded.shard_id
 WHERE (total.accounts, total.transactions, total.refusals, total.postings)
       IS DISTINCT FROM
       (folded.accounts, folded.transactions, folded.refusals, folded.postings);

-- holds_overdue --
-- The newest time the journal knows is the service's clock at its last batch; a sweep runs every
-- few seconds, so an open hold may be late by the tolerance and no more.
SELECT format('hold %s is open and expired at %s', hold.transaction_id, hold.expire_time)
         AS offender
  FROM hold
 WHERE hold.state = 0
   AND hold.expire_time + interval '1 hour' < (SELECT max(block.recorded_time) FROM block);

-- count_transactions --
SELECT count(*)
  FROM transaction;

-- count_postings --
SELECT count(*)
  FROM posting;

-- count_accounts --
SELECT count(*)
  FROM account;

-- count_holds --
SELECT count(*)
  FROM hold;

-- count_reversals --
SELECT count(*)
  FROM reversal;

-- count_account_days --
SELECT count(*)
  FROM (SELECT account_id, effective_day
          FROM account_day
         UNION
        SELECT account_id, day
          FROM account_balance
         WHERE day IS NOT NULL) AS day;

-- count_gl_days --
SELECT count(*)
  FROM gl_day;

-- count_totals --
SELECT count(*)
  FROM journal_total;
