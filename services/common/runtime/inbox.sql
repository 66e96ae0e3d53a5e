-- accept --
-- Gives the ids that are new; the primary key decides between processes.
INSERT INTO inbox (source, event_id)
SELECT $1, event_id
  FROM unnest($2::uuid[]) AS incoming (event_id)
 ORDER BY event_id
ON CONFLICT DO NOTHING
RETURNING event_id;
