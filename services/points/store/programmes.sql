-- published_versions --
-- Read again when another process has written: it may have published one. Contents are read once.
SELECT programme_id, version
  FROM programme
 WHERE shard_id = $1
 ORDER BY programme_id, version;

-- find_content --
SELECT content
  FROM programme
 WHERE shard_id = $1 AND programme_id = $2 AND version = $3;
