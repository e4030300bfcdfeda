-- The newest balance of each account.
CREATE VIEW IF NOT EXISTS {database}.balances_now {on_cluster} AS
SELECT account, balance, granted, spent, account_seq, caused_at, logged_at
FROM {database}.balances
ORDER BY account, log_offset DESC
LIMIT 1 BY account
