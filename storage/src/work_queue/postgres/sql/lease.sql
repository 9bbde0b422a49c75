WITH due AS (
    SELECT host_id, due_at FROM host
    WHERE crawl = :crawl AND due_at <= COALESCE(:now, now())
    ORDER BY due_at, host_id LIMIT :limit FOR UPDATE SKIP LOCKED
), leased AS (
    UPDATE host SET owner = :owner, lease = :lease, due_at = NULL, parked = false,
        busy_session = CASE WHEN unfinished > 0 THEN COALESCE(busy_session, :owner) END,
        busy_since = CASE WHEN unfinished > 0 THEN COALESCE(busy_since, COALESCE(:now, now())) END
    FROM due WHERE host.crawl = :crawl AND host.host_id = due.host_id
    RETURNING host.host_id, due.due_at, origin, is_seed, reaped, not_before, inbox, busy_since
)
SELECT leased.origin, leased.is_seed, leased.reaped, leased.not_before, leased.inbox,
    COALESCE(leased.busy_since, COALESCE(:now, now())) AS busy_since, robots.record
FROM leased LEFT JOIN robots ON robots.crawl = :crawl AND robots.host_id = leased.host_id
ORDER BY leased.due_at, leased.host_id
