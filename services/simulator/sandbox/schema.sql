-- The sandbox provider's state (SQLite).
CREATE TABLE IF NOT EXISTS object (
    seq integer PRIMARY KEY,
    id text NOT NULL UNIQUE,
    kind text NOT NULL,
    created integer NOT NULL,
    customer text,
    payment_intent text,
    body text NOT NULL
);
CREATE INDEX IF NOT EXISTS object_kind ON object (kind, seq);
CREATE INDEX IF NOT EXISTS object_created ON object (created, seq);
CREATE INDEX IF NOT EXISTS object_customer ON object (customer, kind, seq);
CREATE INDEX IF NOT EXISTS object_payment_intent ON object (payment_intent, kind, seq);

CREATE TABLE IF NOT EXISTS event (
    seq integer PRIMARY KEY,
    id text NOT NULL UNIQUE,
    type text NOT NULL,
    created integer NOT NULL,
    body text NOT NULL
);
CREATE INDEX IF NOT EXISTS event_created ON event (created, seq);
CREATE INDEX IF NOT EXISTS event_type ON event (type, seq);

-- The first answer under each idempotency key.
CREATE TABLE IF NOT EXISTS saved_answer (
    key text PRIMARY KEY,
    endpoint text NOT NULL,
    content blob NOT NULL,
    status integer NOT NULL,
    body blob NOT NULL,
    request_id text NOT NULL,
    created integer NOT NULL
);

-- Faults that have struck: each strikes once.
CREATE TABLE IF NOT EXISTS struck_fault (
    stage text NOT NULL,
    subject text NOT NULL,
    PRIMARY KEY (stage, subject)
);

-- Webhooks that are still to be delivered.
CREATE TABLE IF NOT EXISTS delivery (
    seq integer PRIMARY KEY,
    event_seq integer NOT NULL,
    due real NOT NULL,
    attempts integer NOT NULL,
    badly_signed integer NOT NULL
);
CREATE INDEX IF NOT EXISTS delivery_due ON delivery (due);

CREATE TABLE IF NOT EXISTS secret (
    name text PRIMARY KEY,
    value blob NOT NULL
);
