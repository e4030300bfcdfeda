-- Every control event. Of several with the same version the first counts, the others came too late.
CREATE TABLE IF NOT EXISTS {database}.changes {on_cluster}
(
    `log_id` LowCardinality(String),
    `log_partition` UInt32,
    `log_offset` UInt64 CODEC(Delta, ZSTD),
    `logged_at` DateTime64(6, 'UTC') CODEC(Delta, ZSTD),
    `kind` LowCardinality(String),
    `id` String,
    `version` Int64 COMMENT 'of the entity after the change, as who made it knew it',
    `expected_version` Nullable(Int64),
    `deleted` Bool,
    `actor` LowCardinality(String),
    `reason` String,
    `command` String,
    `address` String,
    `request` String,
    `after` String COMMENT 'JSON without secrets; empty for price books, which are large'
)
ENGINE = {engine}
PARTITION BY toYYYYMM(logged_at)
ORDER BY (kind, id, log_offset)
SETTINGS non_replicated_deduplication_window = 1000
