-- Every transaction locks hosts in the order of their ids, so that no two wait for each other.
SELECT host_id, owner, origin, is_seed, not_before, parked, inbox, accepted, wall_us, busy_session, busy_since, account
FROM host WHERE crawl = $1 AND host_id = ANY ($2)
ORDER BY host_id FOR UPDATE
