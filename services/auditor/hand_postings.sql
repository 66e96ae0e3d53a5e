-- hand_postings --
-- What transactions of a caller's own purpose did to accounts that posting rules alone move. A transaction and its
-- reversals count together, so what is wholly taken back is named no more; reversals of what a rule booked stand for
-- themselves, under the id of their original. A hold moves nothing settled before it is posted (kind 3).
WITH made AS (
  SELECT CASE kind WHEN 5 THEN target_id ELSE transaction_id END AS original_id,
         kind = 5 AS reverses, purpose, shard_id, seq
    FROM transaction
   WHERE status = 0
     AND kind IN (1, 3, 5)
     AND NOT purpose = ANY($1::text[])
), moved AS (
  SELECT made.original_id, account.name, sum(posting.amount) AS amount,
         bool_and(made.reverses) AS reverses, min(made.purpose) AS purpose
    FROM made
    JOIN posting ON posting.shard_id = made.shard_id AND posting.seq = made.seq
    JOIN account ON account.account_id = posting.account_id
   WHERE posting.layer = 0
     AND (account.gl_code = ANY($2::text[]) OR account.name = $3)
   GROUP BY made.original_id, account.name
  HAVING sum(posting.amount) <> 0
)
SELECT format('%s %s (%s) moved %s by hand',
              CASE WHEN bool_and(reverses) THEN 'what reversed' ELSE 'transaction' END,
              original_id, min(purpose),
              string_agg(format('%s by %s', name, amount), ', ' ORDER BY name)) AS offender
  FROM moved
 GROUP BY original_id
 ORDER BY original_id;

-- count_settled --
SELECT count(*)
  FROM transaction
 WHERE status = 0
   AND kind IN (1, 3, 5);
