-- Fails if another commit has just inserted the same host. The commit is then repeated.
INSERT INTO host (crawl, host_id, origin, is_seed, due_at, not_before, inbox, accepted, unfinished, wall_us, busy_session,
    busy_since, account)
SELECT $1, new.* FROM unnest($2::uuid[], $3::text[], $4::boolean[], $5::timestamptz[], $6::timestamptz[], $7::bigint[],
    $8::bigint[], $9::bigint[], $10::bigint[], $11::integer[], $12::timestamptz[], $13::bytea[])
    AS new
ORDER BY 2
