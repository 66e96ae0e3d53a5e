-- The ledger: accounts and the journal (append only), and the state that is derived from it.
-- Hot tables have no foreign key, no trigger and no text id: the fold, the checks below and
-- the verifier keep them right. Amounts are in smallest units, credit positive.

-- Opening an account is a fact of the journal: open_seq is its number, and the id derives
-- from shard and number.
CREATE TABLE account (
  account_id bigint PRIMARY KEY CHECK (account_id > 0),
  shard_id int NOT NULL,
  open_seq bigint NOT NULL CHECK (open_seq > 0),
  name text COLLATE "C" NOT NULL CHECK (name <> ''),
  asset text COLLATE "C" NOT NULL CHECK (asset ~ '^[A-Z]{3}$'),
  floor bigint,
  gl_code text COLLATE "C" NOT NULL CHECK (gl_code ~ '^[0-9]{6}$'),
  open_time timestamptz NOT NULL,
  CONSTRAINT account_shard_id_name UNIQUE (shard_id, name),
  CONSTRAINT account_shard_id_open_seq UNIQUE (shard_id, open_seq)
);

-- Hot and narrow; without a secondary index its updates stay on their page.
CREATE TABLE account_balance (
  account_id bigint PRIMARY KEY,
  posted bigint NOT NULL,
  pending_out bigint NOT NULL CHECK (pending_out >= 0),
  pending_in bigint NOT NULL CHECK (pending_in >= 0),
  floor bigint,
  CONSTRAINT account_balance_floor CHECK (floor IS NULL OR posted - pending_out >= floor)
) WITH (fillfactor = 60);

-- Accepted transactions (status 0) and refused ones: an outcome is frozen under its id.
CREATE TABLE transaction (
  transaction_id uuid PRIMARY KEY,
  shard_id int NOT NULL,
  seq bigint NOT NULL CHECK (seq > 0),
  kind smallint NOT NULL CHECK (kind BETWEEN 1 AND 6),
  status smallint NOT NULL CHECK (status >= 0),
  effective_time timestamptz NOT NULL,
  recorded_time timestamptz NOT NULL,
  basis smallint NOT NULL CHECK (basis BETWEEN 1 AND 3),
  purpose text NOT NULL,
  reference text NOT NULL,
  target_id uuid,
  expire_time timestamptz,
  request_hash bytea NOT NULL CHECK (octet_length(request_hash) = 16),
  CONSTRAINT transaction_shard_id_seq UNIQUE (shard_id, seq)
);

-- layer: 0 settled, 1 held to go out (balance not positive), 2 held to come in.
CREATE TABLE posting (
  account_id bigint NOT NULL,
  seq bigint NOT NULL,
  layer smallint NOT NULL CHECK (layer BETWEEN 0 AND 2),
  amount bigint NOT NULL CHECK (amount <> 0),
  balance_after bigint NOT NULL,
  shard_id int NOT NULL,
  PRIMARY KEY (account_id, seq, layer)
);

-- The relay and the verifier read postings in the journal's order.
CREATE INDEX posting_shard_id_seq ON posting (shard_id, seq);

-- state: 0 open, 1 posted, 2 voided, 3 expired; resolve_seq is the number of what ended it.
CREATE TABLE hold (
  transaction_id uuid PRIMARY KEY,
  shard_id int NOT NULL,
  expire_time timestamptz NOT NULL,
  state smallint NOT NULL CHECK (state BETWEEN 0 AND 3),
  resolve_seq bigint,
  CONSTRAINT hold_resolve_seq CHECK ((state = 0) = (resolve_seq IS NULL))
) WITH (fillfactor = 80);

-- The sweep reads what is due; ended holds leave the index.
CREATE INDEX hold_open ON hold (shard_id, expire_time) WHERE state = 0;

-- Which transactions were reversed, by which fact: the key makes it once.
CREATE TABLE reversal (
  transaction_id uuid PRIMARY KEY,
  shard_id int NOT NULL,
  reversal_seq bigint NOT NULL
);

-- Settled debits and credits of an account by effective business day (Europe/Paris), with
-- the range of numbers they lie in: balances as of an effective time.
CREATE TABLE account_day (
  account_id bigint NOT NULL,
  effective_day date NOT NULL,
  debit bigint NOT NULL CHECK (debit >= 0),
  credit bigint NOT NULL CHECK (credit >= 0),
  first_seq bigint NOT NULL,
  last_seq bigint NOT NULL,
  PRIMARY KEY (account_id, effective_day)
) WITH (fillfactor = 70);

-- The same by general ledger account, basis and both days: the trial balance.
CREATE TABLE gl_day (
  shard_id int NOT NULL,
  gl_code text COLLATE "C" NOT NULL,
  asset text COLLATE "C" NOT NULL,
  basis smallint NOT NULL,
  effective_day date NOT NULL,
  recorded_day date NOT NULL,
  debit bigint NOT NULL CHECK (debit >= 0),
  credit bigint NOT NULL CHECK (credit >= 0),
  PRIMARY KEY (shard_id, gl_code, asset, basis, effective_day, recorded_day)
) WITH (fillfactor = 70);

-- Counts of the journal, so that nobody has to count it.
CREATE TABLE journal_total (
  shard_id int PRIMARY KEY,
  accounts bigint NOT NULL,
  transactions bigint NOT NULL,
  refusals bigint NOT NULL,
  postings bigint NOT NULL
) WITH (fillfactor = 50);

INSERT INTO journal_total (shard_id, accounts, transactions, refusals, postings)
VALUES (0, 0, 0, 0, 0);

-- Balances as of a recorded time begin with the last block of that time.
CREATE INDEX block_recorded_time ON block (shard_id, recorded_time);

-- The journal can only grow.
GRANT SELECT, INSERT ON account TO :runtime_role;
GRANT SELECT, INSERT ON transaction TO :runtime_role;
GRANT SELECT, INSERT ON posting TO :runtime_role;
GRANT SELECT, INSERT ON reversal TO :runtime_role;
GRANT SELECT, INSERT, UPDATE ON account_balance TO :runtime_role;
GRANT SELECT, INSERT, UPDATE ON hold TO :runtime_role;
GRANT SELECT, INSERT, UPDATE ON account_day TO :runtime_role;
GRANT SELECT, INSERT, UPDATE ON gl_day TO :runtime_role;
GRANT SELECT, UPDATE ON journal_total TO :runtime_role;
