-- find_settlements --
SELECT
  settlement.checkout_id, settlement.settlement,
  EXISTS(
    SELECT 1
      FROM ticket_reversal AS reversal
     WHERE reversal.shard_id = settlement.shard_id
       AND reversal.checkout_id = settlement.checkout_id
  ) AS is_reversed
  FROM ticket_settlement AS settlement
 WHERE settlement.shard_id = $1 AND settlement.checkout_id = ANY($2::uuid[]);

-- read_reversal --
SELECT currency, refund_id, reverse_time, restored, taken, shortfall
  FROM ticket_reversal
 WHERE shard_id = $1 AND checkout_id = $2
 ORDER BY currency;

-- reversal_totals --
SELECT
  currency, sum(restored)::bigint AS restored, sum(taken)::bigint AS taken,
  sum(shortfall)::bigint AS shortfall
  FROM ticket_reversal
 WHERE shard_id = $1
 GROUP BY currency;
