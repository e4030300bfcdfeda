-- Every published health; `health_now` has the newest of each subject.
CREATE TABLE IF NOT EXISTS {database}.health {on_cluster}
(
    `log_id` LowCardinality(String),
    `log_partition` UInt32,
    `log_offset` UInt64 CODEC(Delta, ZSTD),
    `logged_at` DateTime64(6, 'UTC') CODEC(Delta, ZSTD),
    `subject` LowCardinality(String),
    `kind` LowCardinality(String),
    `score` UInt8,
    `state` LowCardinality(String),
    `reason` LowCardinality(String),
    `until` Nullable(DateTime64(6, 'UTC')),
    `since` DateTime64(6, 'UTC'),
    `folded_at` DateTime64(6, 'UTC'),
    `consecutive` UInt32,
    `ejections` UInt32,
    `latency_us` Int64,
    `good` Int64 COMMENT 'attempts in the window that went well',
    `bad` Int64 COMMENT 'attempts in the window that count against it'
)
ENGINE = {engine}
PARTITION BY toYYYYMM(logged_at)
ORDER BY (subject, log_offset)
SETTINGS non_replicated_deduplication_window = 1000
