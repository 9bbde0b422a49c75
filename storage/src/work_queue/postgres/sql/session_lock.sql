-- Like session_fence.sql, and locks the session, so that it cannot be ended during the transaction.
SELECT commit_seq, COALESCE($3::timestamptz, now())
FROM session WHERE crawl = $1 AND id = $2 AND expires_at IS NOT NULL AND timeline = current_timeline()
FOR UPDATE
