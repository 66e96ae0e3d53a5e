-- totals --
-- A report: it reads every row.
SELECT
  count(*) FILTER (WHERE kind = 1) AS checkouts_opened,
  count(*) FILTER (WHERE kind = 1 AND state IN (4, 7, 8)) AS checkouts_settled,
  count(*) FILTER (WHERE kind = 1 AND ever_declined) AS checkouts_declined,
  count(*) FILTER (WHERE kind = 1 AND state = 5) AS checkouts_cancelled,
  count(*) FILTER (WHERE kind = 1 AND state = 6) AS checkouts_expired,
  count(*) FILTER (WHERE kind = 1 AND state = 8) AS checkouts_refunded,
  count(*) FILTER (WHERE ever_unknown AND NOT outcome_unknown) AS unknown_resolved,
  count(*) FILTER (WHERE outcome_unknown) AS unknown_open,
  count(*) FILTER (WHERE in_flight) AS in_flight,
  count(*) FILTER (WHERE kind = 2 AND state = 2) AS top_ups_settled,
  coalesce(sum(card_captured_minor), 0)::bigint AS card_captured_minor,
  coalesce(sum(card_refunded_minor), 0)::bigint AS card_refunded_minor
  FROM payment
 WHERE shard_id = $1;
