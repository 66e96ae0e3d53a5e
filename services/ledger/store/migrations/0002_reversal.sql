-- A transaction may be reversed in parts: each part is a row under the number of the fact that took it
-- back. Who reads finds all parts of one transaction by the key's first column.
ALTER TABLE reversal
  DROP CONSTRAINT reversal_pkey,
  ADD CONSTRAINT reversal_pkey PRIMARY KEY (transaction_id, reversal_seq);
