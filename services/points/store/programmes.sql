-- published_versions --
-- Read in every batch: another process may have published one. The contents are read once.
SELECT programme_id, version
  FROM programme
 WHERE shard_id = $1
 ORDER BY programme_id, version;

-- find_content --
SELECT content
  FROM programme
 WHERE shard_id = $1 AND programme_id = $2 AND version = $3;
