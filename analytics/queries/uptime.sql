-- Attempts of providers and of models by hour: how many went well, and how long they took.
WITH hours AS (
    SELECT provider, model, toStartOfHour(logged_at) AS hour, error, ttft_us, duration_us
    FROM attempts
    WHERE logged_at >= now() - toIntervalHour({hours:UInt32})
        AND error NOT IN ('other', 'auth', 'credit', 'rate_limit', 'content_policy', 'caller', 'cancelled')
)
SELECT 'provider' AS kind, toString(provider) AS name, toUnixTimestamp(hour) AS at,
    toUInt32(countIf(error = 'none')) AS good, toUInt32(countIf(error != 'none')) AS bad,
    toUInt32(round(quantileIf(0.5)(ifNull(ttft_us, duration_us), error = 'none') / 1000)) AS first_p50_ms,
    toUInt32(round(quantileIf(0.95)(ifNull(ttft_us, duration_us), error = 'none') / 1000)) AS first_p95_ms
FROM hours GROUP BY provider, hour
UNION ALL
SELECT 'model' AS kind, toString(model) AS name, toUnixTimestamp(hour) AS at,
    toUInt32(countIf(error = 'none')) AS good, toUInt32(countIf(error != 'none')) AS bad,
    toUInt32(round(quantileIf(0.5)(ifNull(ttft_us, duration_us), error = 'none') / 1000)) AS first_p50_ms,
    toUInt32(round(quantileIf(0.95)(ifNull(ttft_us, duration_us), error = 'none') / 1000)) AS first_p95_ms
FROM hours GROUP BY model, hour
ORDER BY kind, name, at
