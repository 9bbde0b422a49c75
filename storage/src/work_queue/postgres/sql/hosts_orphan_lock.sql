-- A separate statement, so that it sees the hosts that the sessions leased up to the last moment.
SELECT host_id, owner, origin, is_seed, not_before, parked, inbox, accepted, wall_us, busy_session, busy_since, account,
    COALESCE($3::timestamptz, now())
FROM host WHERE crawl = $1 AND owner = ANY ($2)
ORDER BY host_id FOR UPDATE
