UPDATE host SET is_seed = new.is_seed, due_at = new.due_at, not_before = new.not_before, inbox = new.inbox,
    accepted = new.accepted, unfinished = new.unfinished, wall_us = new.wall_us, busy_session = new.busy_session,
    busy_since = new.busy_since, account = new.account
FROM unnest($2::uuid[], $3::boolean[], $4::timestamptz[], $5::timestamptz[], $6::bigint[], $7::bigint[], $8::bigint[],
    $9::bigint[], $10::integer[], $11::timestamptz[], $12::bytea[])
    AS new (host_id, is_seed, due_at, not_before, inbox, accepted, unfinished, wall_us, busy_session, busy_since, account)
WHERE host.crawl = $1 AND host.host_id = new.host_id
