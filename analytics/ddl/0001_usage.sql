-- One row per settled call. `charges` has one element per target and meter.
CREATE TABLE IF NOT EXISTS {database}.usage {on_cluster}
(
    `log_id` LowCardinality(String) COMMENT 'which making of the topic the position belongs to',
    `log_partition` UInt32,
    `log_offset` UInt64 CODEC(Delta, ZSTD),
    `logged_at` DateTime64(6, 'UTC') COMMENT 'log-append time' CODEC(Delta, ZSTD),
    `call` UUID,
    `origin` UUID COMMENT 'the process start that settled the call',
    `seq` UInt64 CODEC(Delta, ZSTD),
    `account` LowCardinality(String),
    `project` LowCardinality(String),
    `key` LowCardinality(String),
    `user` String COMMENT 'end user as the caller named it; empty when not',
    `client` LowCardinality(String) COMMENT 'client application; empty when unknown',
    `tags` Map(LowCardinality(String), String),
    `operation` LowCardinality(String),
    `dialect` LowCardinality(String),
    `streamed` Bool,
    `model` LowCardinality(String) COMMENT 'as the caller asked for it',
    `outcome` LowCardinality(String),
    `error` LowCardinality(String) COMMENT 'empty when none',
    `status` UInt16 COMMENT 'HTTP status given to the client; 0 when none was',
    `attempts` UInt16,
    `charges` Nested
    (
        `provider` LowCardinality(String),
        `credential` LowCardinality(String),
        `model` LowCardinality(String),
        `meter` LowCardinality(String),
        `units` Int64,
        `estimated` Bool,
        `reported_nano` Nullable(Int64)
    ),
    `price_version` LowCardinality(String),
    `admitted_at` DateTime64(6, 'UTC') CODEC(Delta, ZSTD),
    `ttft_us` Nullable(Int64),
    `duration_us` Int64
)
ENGINE = {engine}
PARTITION BY toYYYYMM(logged_at)
ORDER BY (account, logged_at, log_partition, log_offset)
SETTINGS non_replicated_deduplication_window = 1000
