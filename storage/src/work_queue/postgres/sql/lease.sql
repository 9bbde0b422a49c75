WITH due AS (
    SELECT host_id, due_at FROM host
    WHERE crawl = $1 AND due_at <= COALESCE($5, now())
    ORDER BY due_at, host_id LIMIT $2 FOR UPDATE SKIP LOCKED
), lent AS (
    UPDATE host SET owner = $3, lease = $4, due_at = NULL, parked = false,
        busy_session = COALESCE(busy_session, $3), busy_since = COALESCE(busy_since, COALESCE($5, now()))
    FROM due WHERE host.crawl = $1 AND host.host_id = due.host_id
    RETURNING host.host_id, due.due_at, origin, is_seed, reaped, not_before, inbox, busy_since
)
SELECT lent.origin, lent.is_seed, lent.reaped, lent.not_before, lent.inbox, lent.busy_since, robots.record
FROM lent LEFT JOIN robots ON robots.crawl = $1 AND robots.host_id = lent.host_id
ORDER BY lent.due_at, lent.host_id
