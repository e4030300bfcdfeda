-- Whose chain a record is of, and when it was written by the clock of who wrote it.
ALTER TABLE {database}.audit {on_cluster}
    ADD COLUMN IF NOT EXISTS `origin` UUID AFTER `logged_at`,
    ADD COLUMN IF NOT EXISTS `seq` UInt64 CODEC(Delta, ZSTD) AFTER `origin`,
    ADD COLUMN IF NOT EXISTS `done_at` DateTime64(6, 'UTC') CODEC(Delta, ZSTD) AFTER `seq`
