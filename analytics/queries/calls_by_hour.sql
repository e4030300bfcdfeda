-- Calls, tokens, failures and latency per hour and model.
SELECT toStartOfHour(logged_at) AS hour, model, count() AS calls,
    countIf(outcome != 'completed') AS not_completed,
    sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
    quantile(0.5)(duration_us) / 1000 AS p50_ms, quantile(0.99)(duration_us) / 1000 AS p99_ms,
    quantile(0.5)(ttft_us) / 1000 AS ttft_p50_ms
FROM calls
WHERE logged_at >= {from:DateTime} AND logged_at < {to:DateTime}
GROUP BY hour, model
ORDER BY hour, calls DESC, model
