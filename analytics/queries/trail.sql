-- Who did what, newest first: changes, refused calls, secrets shown or used, exports.
SELECT toUnixTimestamp64Micro(t.logged_at) AS at_us, t.topic AS topic, t.log_offset AS log_offset, t.action AS action,
    t.entity AS entity, t.actor AS actor, t.address AS address, t.request AS request, t.allowed AS allowed,
    t.reason AS reason, t.before AS before, t.after AS after
FROM trail AS t
WHERE ({actor:String} = '' OR t.actor = {actor:String})
    AND ({action:String} = '' OR t.action = {action:String})
    AND ({entity:String} = '' OR t.entity = {entity:String} OR startsWith(t.entity, concat({entity:String}, '/')))
    AND ({request:String} = '' OR t.request = {request:String})
    AND t.logged_at >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC')
    AND t.logged_at < fromUnixTimestamp64Micro({until_us:Int64}, 'UTC')
    AND (toUnixTimestamp64Micro(t.logged_at), t.log_offset, t.topic)
        < ({after_us:Int64}, {after_offset:UInt64}, {after_topic:String})
ORDER BY at_us DESC, log_offset DESC, topic DESC
LIMIT {limit:UInt32}
