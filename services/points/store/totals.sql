-- lot_totals --
SELECT
  currency, sum(earned)::bigint AS issued, sum(remaining)::bigint AS outstanding,
  sum(held)::bigint AS held
  FROM lot
 WHERE shard_id = $1
 GROUP BY currency;

-- spent_totals --
SELECT currency, sum(spent_quantity)::bigint AS spent
  FROM loyalty_hold
 WHERE shard_id = $1
 GROUP BY currency;

-- row_counts --
SELECT
  (SELECT count(*) FROM member WHERE shard_id = $1) AS members,
  (SELECT count(*) FROM ticket WHERE shard_id = $1) AS tickets,
  (SELECT count(*) FROM ticket_conflict WHERE shard_id = $1) AS conflicts;

-- fact_counts --
SELECT event_type, count(*) AS facts
  FROM fact
 WHERE shard_id = $1
 GROUP BY event_type
 ORDER BY event_type;
