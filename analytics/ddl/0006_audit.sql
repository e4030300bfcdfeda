-- Sign-ins, refused admin calls, secret use, exports.
CREATE TABLE IF NOT EXISTS {database}.audit {on_cluster}
(
    `log_id` LowCardinality(String),
    `log_partition` UInt32,
    `log_offset` UInt64 CODEC(Delta, ZSTD),
    `logged_at` DateTime64(6, 'UTC') CODEC(Delta, ZSTD),
    `action` LowCardinality(String),
    `entity` String,
    `actor` LowCardinality(String),
    `address` String,
    `request` String,
    `allowed` Bool,
    `before` String COMMENT 'JSON, redacted',
    `after` String COMMENT 'JSON, redacted',
    `prev_hash` FixedString(32),
    `hash` FixedString(32)
)
ENGINE = {engine}
PARTITION BY toYYYYMM(logged_at)
ORDER BY (logged_at, log_offset)
SETTINGS non_replicated_deduplication_window = 1000
