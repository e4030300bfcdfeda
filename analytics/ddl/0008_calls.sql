-- One row per call with its tokens and what it cost. `billed` is empty until billing has seen the
-- call, `usage` when it was charged, `suspense` when it could not be priced.
CREATE VIEW IF NOT EXISTS {database}.calls {on_cluster} AS
SELECT
    u.logged_at AS logged_at,
    u.admitted_at AS admitted_at,
    u.call AS call,
    u.account AS account,
    u.project AS project,
    u.key AS key,
    u.user AS user,
    u.client AS client,
    u.tags AS tags,
    u.operation AS operation,
    u.dialect AS dialect,
    u.streamed AS streamed,
    u.model AS model,
    if(empty(u.`charges.provider`), '', u.`charges.provider`[-1]) AS provider,
    if(empty(u.`charges.model`), '', u.`charges.model`[-1]) AS provider_model,
    u.outcome AS outcome,
    u.error AS error,
    u.status AS status,
    u.attempts AS attempts,
    arraySum((meter, units) -> if(meter IN ('input', 'input_cached', 'cache_write', 'cache_write_long', 'input_audio', 'input_image'), units, 0), u.`charges.meter`, u.`charges.units`) AS input_tokens,
    arraySum((meter, units) -> if(meter IN ('output', 'output_reasoning', 'output_audio', 'output_image'), units, 0), u.`charges.meter`, u.`charges.units`) AS output_tokens,
    has(u.`charges.estimated`, true) AS estimated,
    -l.amount AS cost,
    l.kind AS billed,
    u.ttft_us AS ttft_us,
    u.duration_us AS duration_us,
    u.price_version AS price_version
FROM {database}.usage AS u
LEFT JOIN
(
    SELECT cause_partition, cause_offset, amount, kind
    FROM {database}.ledger
    WHERE cause_topic = 'hub.usage.v1'
) AS l ON u.log_partition = l.cause_partition AND u.log_offset = l.cause_offset
