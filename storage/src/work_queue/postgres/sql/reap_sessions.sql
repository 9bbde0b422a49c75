-- A session with a call in flight is locked and therefore skipped. All calls of a session of another timeline fail.
UPDATE session SET expires_at = NULL
WHERE crawl = :crawl AND number IN (
    SELECT number FROM session
    WHERE crawl = :crawl AND expires_at IS NOT NULL
        AND (expires_at < COALESCE(:now, now()) OR timeline <> current_timeline())
    ORDER BY number FOR UPDATE SKIP LOCKED)
RETURNING number
