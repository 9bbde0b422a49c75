UPDATE host SET owner = NULL, reaped = $9, due_at = new.due_at, not_before = new.not_before, parked = new.parked,
    wall_us = new.wall_us, busy_session = new.busy_session, busy_since = new.busy_since
FROM unnest($2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::boolean[], $6::bigint[], $7::integer[],
    $8::timestamptz[])
    AS new (host_id, due_at, not_before, parked, wall_us, busy_session, busy_since)
WHERE host.crawl = $1 AND host.host_id = new.host_id
