-- The newest health of each target and credential.
CREATE VIEW IF NOT EXISTS {database}.health_now {on_cluster} AS
SELECT subject, kind, score, state, reason, until, since, folded_at, latency_us, good, bad
FROM {database}.health
ORDER BY subject, log_offset DESC
LIMIT 1 BY subject
