-- The journal of services whose facts are their events. Append only: the runtime role can
-- neither change nor remove a row.
CREATE TABLE fact (
  shard_id int NOT NULL,
  seq bigint NOT NULL CHECK (seq > 0),
  event_id uuid NOT NULL,
  event_type smallint NOT NULL CHECK (event_type > 0),
  subject uuid NOT NULL,
  payload bytea NOT NULL,
  PRIMARY KEY (shard_id, seq)
);

-- Folding the journal again goes subject by subject, in the order of the facts.
CREATE INDEX fact_subject_seq ON fact (subject, seq);

GRANT SELECT, INSERT ON fact TO :runtime_role;
