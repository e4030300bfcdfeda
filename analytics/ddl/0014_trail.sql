-- Who did what, in one list: changes of the configuration, and what leaves none.
CREATE VIEW IF NOT EXISTS {database}.trail {on_cluster} AS
SELECT
    logged_at,
    'hub.audit.v1' AS topic,
    log_offset,
    toString(action) AS action,
    entity,
    toString(actor) AS actor,
    address,
    request,
    allowed,
    '' AS reason,
    before,
    after
FROM {database}.audit
UNION ALL
SELECT
    c.logged_at AS logged_at,
    'hub.control.v1' AS topic,
    c.log_offset AS log_offset,
    multiIf(c.deleted, 'deleted', empty(b.id), 'created', 'changed') AS action,
    concat(c.kind, '/', c.id) AS entity,
    toString(c.actor) AS actor,
    c.address AS address,
    c.request AS request,
    CAST(c.log_offset = f.first, 'Bool') AS allowed,
    c.reason AS reason,
    b.body AS before,
    c.after AS after
FROM {database}.changes AS c
LEFT JOIN
(
    SELECT kind, id, version, min(log_offset) AS first
    FROM {database}.changes
    GROUP BY kind, id, version
) AS f ON c.kind = f.kind AND c.id = f.id AND c.version = f.version
LEFT JOIN
(
    SELECT kind, id, version + 1 AS next, argMin(after, log_offset) AS body
    FROM {database}.changes
    GROUP BY kind, id, version
    HAVING argMin(deleted, log_offset) = 0
) AS b ON c.kind = b.kind AND c.id = b.id AND c.version = b.next
