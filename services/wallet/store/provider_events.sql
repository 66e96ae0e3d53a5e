-- accept_events --
-- Gives the ids of the events that are new. They are hints, which the provider tells again, so that no
-- commit waits for the disk on their account.
WITH relaxed AS MATERIALIZED (
  SELECT set_config('synchronous_commit', 'off', TRUE) AS setting
)
INSERT INTO provider_event (
  shard_id, provider_event_id, event_type, object_reference, create_time, receive_time
)
SELECT $1, e.provider_event_id, e.event_type, e.object_reference, e.create_time, $6
  FROM unnest($2::text[], $3::text[], $4::text[], $5::timestamptz[])
         AS e (provider_event_id, event_type, object_reference, create_time)
  JOIN relaxed ON relaxed.setting = 'off'
 ORDER BY e.provider_event_id
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
