-- The journal's head and blocks, what the relay remembers, the simulated clock.

-- One row a shard: its row lock orders the batches of all the processes that serve it. A low
-- fillfactor keeps the update of every batch on its page.
CREATE TABLE shard_head (
  shard_id int PRIMARY KEY CHECK (shard_id >= 0),
  epoch bigint NOT NULL CHECK (epoch > 0),
  seq bigint NOT NULL CHECK (seq >= 0),
  head_hash bytea NOT NULL CHECK (octet_length(head_hash) = 32)
) WITH (fillfactor = 50);

INSERT INTO shard_head (shard_id, epoch, seq, head_hash)
VALUES (0, 1, 0, decode(repeat('00', 32), 'hex'));

-- One row a batch: the hash over the block before it and the facts seq_from to seq_to.
CREATE TABLE block (
  shard_id int NOT NULL,
  seq_from bigint NOT NULL,
  seq_to bigint NOT NULL,
  recorded_time timestamptz NOT NULL,
  prev_hash bytea NOT NULL CHECK (octet_length(prev_hash) = 32),
  hash bytea NOT NULL CHECK (octet_length(hash) = 32),
  PRIMARY KEY (shard_id, seq_to),
  CHECK (seq_from > 0 AND seq_from <= seq_to)
);

-- The last fact that the broker acknowledged.
CREATE TABLE relay_cursor (
  shard_id int PRIMARY KEY,
  seq bigint NOT NULL CHECK (seq >= 0)
) WITH (fillfactor = 50);

-- The last fact in each partition and where it lies in the broker's log; an end of the log
-- before it means a broker that forgot.
CREATE TABLE relay_offset (
  shard_id int NOT NULL,
  topic text NOT NULL,
  partition int NOT NULL,
  log_offset bigint NOT NULL CHECK (log_offset >= 0),
  seq bigint NOT NULL CHECK (seq > 0),
  PRIMARY KEY (shard_id, topic, partition)
) WITH (fillfactor = 50);

-- Business time of a development stack; production has no row.
CREATE TABLE service_clock (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  simulated_time timestamptz NOT NULL
);

GRANT SELECT, UPDATE ON shard_head TO :runtime_role;
GRANT SELECT, INSERT ON block TO :runtime_role;
GRANT SELECT, INSERT, UPDATE ON relay_cursor TO :runtime_role;
GRANT SELECT, INSERT, UPDATE, DELETE ON relay_offset TO :runtime_role;
GRANT SELECT, INSERT, UPDATE ON service_clock TO :runtime_role;
GRANT SELECT ON schema_migration TO :runtime_role;
