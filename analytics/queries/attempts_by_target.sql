-- How the attempts of each target went.
SELECT provider, credential, model, count() AS attempts,
    countIf(error = 'none') AS good, topKIf(3)(error, error != 'none') AS errors,
    quantile(0.5)(ttft_us) / 1000 AS ttft_p50_ms, quantile(0.99)(ttft_us) / 1000 AS ttft_p99_ms
FROM attempts
WHERE logged_at >= {from:DateTime} AND logged_at < {to:DateTime}
GROUP BY provider, credential, model
ORDER BY attempts DESC, provider, credential, model
