-- Like session_fence.sql, and locks the session, so that it cannot be ended during the transaction.
SELECT commit_seq, COALESCE(:now::timestamptz, now()) AS now
FROM session WHERE crawl = :crawl AND id = :id AND expires_at IS NOT NULL AND timeline = current_timeline()
FOR UPDATE
