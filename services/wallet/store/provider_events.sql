-- accept_event --
-- Gives the id when the event is new, and no row when it was there before.
INSERT INTO provider_event (
  shard_id, provider_event_id, event_type, object_reference, create_time, receive_time
)
VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (shard_id, provider_event_id) DO NOTHING
RETURNING provider_event_id;

-- read_cursor --
SELECT provider_event_id
  FROM provider_cursor
 WHERE shard_id = $1;

-- save_cursor --
INSERT INTO provider_cursor (shard_id, provider_event_id)
VALUES ($1, $2)
    ON CONFLICT (shard_id)
    DO UPDATE SET provider_event_id = excluded.provider_event_id;
