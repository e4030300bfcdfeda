-- The journal: one row per entry.
CREATE TABLE IF NOT EXISTS {database}.ledger {on_cluster}
(
    `log_id` LowCardinality(String),
    `log_partition` UInt32,
    `log_offset` UInt64 CODEC(Delta, ZSTD),
    `logged_at` DateTime64(6, 'UTC') CODEC(Delta, ZSTD),
    `account` LowCardinality(String),
    `account_seq` UInt64,
    `kind` LowCardinality(String),
    `call` Nullable(UUID),
    `command` String COMMENT 'empty when no command caused it',
    `cause_topic` LowCardinality(String),
    `cause_partition` UInt32,
    `cause_offset` UInt64,
    `caused_at` DateTime64(6, 'UTC') CODEC(Delta, ZSTD),
    `price_version` LowCardinality(String),
    `amount` Decimal(38, 15) COMMENT 'USD to the customer; spend is negative',
    `balance` Decimal(38, 15) COMMENT 'of the customer after the entry',
    `lines` Nested
    (
        `provider` LowCardinality(String),
        `model` LowCardinality(String),
        `meter` LowCardinality(String),
        `units` Int64,
        `price_nano` Int64,
        `amount` Decimal(38, 15)
    ),
    `postings` Nested
    (
        `ledger_account` LowCardinality(String),
        `amount` Decimal(38, 15)
    ),
    `prev_hash` FixedString(32),
    `hash` FixedString(32)
)
ENGINE = {engine}
PARTITION BY toYYYYMM(logged_at)
ORDER BY (account, account_seq)
SETTINGS non_replicated_deduplication_window = 1000
