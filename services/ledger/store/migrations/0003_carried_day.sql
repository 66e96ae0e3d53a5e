-- The sums of an account's current day lie beside its balance: settled postings that take effect on the
-- business day on which they were recorded, of the last such day. account_day has the days before, which
-- are moved there when a later posting begins a new one, and what takes effect on another day than it was
-- recorded on. So a posting changes one row of its account, not two. Amounts are not checked here: they
-- only grow within a day, and account_day checks what it is given.
ALTER TABLE account_balance
  ADD COLUMN day date,
  ADD COLUMN day_debit bigint NOT NULL DEFAULT 0,
  ADD COLUMN day_credit bigint NOT NULL DEFAULT 0,
  ADD COLUMN day_first_seq bigint NOT NULL DEFAULT 0,
  ADD COLUMN day_last_seq bigint NOT NULL DEFAULT 0;
