-- What was spent per model and meter, of one account.
SELECT provider, model, meter, sum(units) AS units, sum(cost) AS spent
FROM spend
WHERE account = {account:String} AND caused_at >= {from:DateTime} AND caused_at < {to:DateTime}
GROUP BY provider, model, meter
ORDER BY spent DESC, provider, model, meter
