-- Calls that could not be priced, or that billing has not seen yet.
SELECT logged_at, call, account, model, provider, provider_model, billed
FROM calls
WHERE billed != 'usage' AND logged_at >= {from:DateTime} AND logged_at < {to:DateTime}
ORDER BY logged_at
LIMIT 10000
