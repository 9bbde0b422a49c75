SELECT host_id, owner, origin, is_seed, not_before, parked, inbox, accepted, wall_us, busy_session, busy_since, account
FROM host WHERE crawl = $1 AND host_id = ANY ($2) AND owner = $3
ORDER BY host_id FOR UPDATE
