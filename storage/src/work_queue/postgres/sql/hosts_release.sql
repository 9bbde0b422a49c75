UPDATE host SET owner = NULL, reaped = :reaped, due_at = new.due_at, not_before = new.not_before, parked = new.parked,
    wall_us = new.wall_us, busy_session = new.busy_session, busy_since = new.busy_since
FROM unnest(:host_id::uuid[], :due_at::timestamptz[], :not_before::timestamptz[], :parked::boolean[],
        :wall_us::bigint[], :busy_session::integer[], :busy_since::timestamptz[])
    AS new (host_id, due_at, not_before, parked, wall_us, busy_session, busy_since)
WHERE host.crawl = :crawl AND host.host_id = new.host_id
