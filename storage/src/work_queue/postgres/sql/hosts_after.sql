SELECT host_id, owner, origin, is_seed, not_before, parked, inbox, accepted, wall_us, busy_session, busy_since, account, record
FROM host LEFT JOIN robots USING (crawl, host_id)
WHERE crawl = $1 AND host_id >= $2 ORDER BY host_id LIMIT $3
