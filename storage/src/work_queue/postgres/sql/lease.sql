WITH due AS (
    SELECT host_id, due_at FROM host
    WHERE crawl = $1 AND due_at <= COALESCE($5, now())
    ORDER BY due_at, host_id LIMIT $2 FOR UPDATE SKIP LOCKED
), leased AS (
    UPDATE host SET owner = $3, lease = $4, due_at = NULL, parked = false,
        busy_session = COALESCE(busy_session, $3), busy_since = COALESCE(busy_since, COALESCE($5, now()))
    FROM due WHERE host.crawl = $1 AND host.host_id = due.host_id
    RETURNING host.host_id, due.due_at, origin, is_seed, reaped, not_before, inbox, busy_since
)
SELECT leased.origin, leased.is_seed, leased.reaped, leased.not_before, leased.inbox, leased.busy_since, robots.record
FROM leased LEFT JOIN robots ON robots.crawl = $1 AND robots.host_id = leased.host_id
ORDER BY leased.due_at, leased.host_id
