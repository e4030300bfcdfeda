-- One row per priced line of the journal.
CREATE VIEW IF NOT EXISTS {database}.spend {on_cluster} AS
SELECT
    caused_at, account, account_seq, call, price_version,
    lines.provider AS provider,
    lines.model AS model,
    lines.meter AS meter,
    lines.units AS units,
    lines.price_nano AS price_nano,
    lines.amount AS cost
FROM {database}.ledger
ARRAY JOIN lines
WHERE kind = 'usage'
