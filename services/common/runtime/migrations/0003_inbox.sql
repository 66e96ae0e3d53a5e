-- Which events a consumer has taken in, for effects that do not carry the event's id.
CREATE TABLE inbox (
  source text NOT NULL,
  event_id uuid NOT NULL,
  PRIMARY KEY (source, event_id)
);

GRANT SELECT, INSERT ON inbox TO :runtime_role;
