-- One row per upstream attempt or probe.
CREATE TABLE IF NOT EXISTS {database}.attempts {on_cluster}
(
    `log_id` LowCardinality(String),
    `log_partition` UInt32,
    `log_offset` UInt64 CODEC(Delta, ZSTD),
    `logged_at` DateTime64(6, 'UTC') CODEC(Delta, ZSTD),
    `call` UUID COMMENT 'all zero for a probe',
    `origin` UUID,
    `seq` UInt64 CODEC(Delta, ZSTD),
    `number` UInt16,
    `purpose` LowCardinality(String),
    `provider` LowCardinality(String),
    `credential` LowCardinality(String),
    `credential_version` UInt32,
    `model` LowCardinality(String),
    `status` UInt16,
    `error` LowCardinality(String) COMMENT 'none when it went well',
    `retry_after_ms` Nullable(Int64),
    `started_at` DateTime64(6, 'UTC') CODEC(Delta, ZSTD),
    `ttft_us` Nullable(Int64),
    `duration_us` Int64
)
ENGINE = {engine}
PARTITION BY toYYYYMM(logged_at)
ORDER BY (provider, model, logged_at, log_partition, log_offset)
SETTINGS non_replicated_deduplication_window = 1000
