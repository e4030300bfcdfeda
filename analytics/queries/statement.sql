-- The journal of an account, newest first.
SELECT caused_at, account_seq, kind, call, command, amount, balance
FROM ledger
WHERE account = {account:String} AND caused_at >= {from:DateTime} AND caused_at < {to:DateTime}
ORDER BY account_seq DESC
LIMIT 10000
