-- The last commit of a live session and the current time; no row if the session has ended.
SELECT commit_seq, COALESCE($3::timestamptz, now())
FROM session WHERE crawl = $1 AND id = $2 AND expires_at IS NOT NULL AND timeline = current_timeline()
