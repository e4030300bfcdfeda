-- What was spent per day, account, provider and model.
SELECT toDate(caused_at) AS day, account, provider, model, sum(cost) AS spent, sum(units) AS units, uniqExact(call) AS calls
FROM spend
WHERE caused_at >= {from:DateTime} AND caused_at < {to:DateTime}
GROUP BY day, account, provider, model
ORDER BY day, spent DESC, account, provider, model
