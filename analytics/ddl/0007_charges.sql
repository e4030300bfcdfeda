-- One row per call, target and meter.
CREATE VIEW IF NOT EXISTS {database}.charges {on_cluster} AS
SELECT
    log_partition, log_offset, logged_at, admitted_at, call, account, project, key, user, client,
    operation, outcome, model AS asked_model,
    charges.provider AS provider,
    charges.credential AS credential,
    charges.model AS model,
    charges.meter AS meter,
    charges.units AS units,
    charges.estimated AS estimated,
    charges.reported_nano AS reported_nano,
    price_version
FROM {database}.usage
ARRAY JOIN charges
