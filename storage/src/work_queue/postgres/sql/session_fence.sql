-- Whether the session may call, what it committed last, and the time.
SELECT commit_seq, COALESCE($3::timestamptz, now())
FROM session WHERE crawl = $1 AND id = $2 AND expires_at IS NOT NULL AND timeline = current_timeline()
