-- Every published balance; `balances_now` has the newest of each account.
CREATE TABLE IF NOT EXISTS {database}.balances {on_cluster}
(
    `log_id` LowCardinality(String),
    `log_partition` UInt32,
    `log_offset` UInt64 CODEC(Delta, ZSTD),
    `logged_at` DateTime64(6, 'UTC') CODEC(Delta, ZSTD),
    `account` LowCardinality(String),
    `balance` Decimal(38, 15),
    `granted` Decimal(38, 15),
    `spent` Decimal(38, 15),
    `account_seq` UInt64,
    `hash` FixedString(32),
    `caused_at` DateTime64(6, 'UTC'),
    `included` Nested
    (
        `origin` UUID,
        `seq` UInt64
    )
)
ENGINE = {engine}
PARTITION BY toYYYYMM(logged_at)
ORDER BY (account, log_offset)
SETTINGS non_replicated_deduplication_window = 1000
