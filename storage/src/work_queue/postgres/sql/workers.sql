SELECT count(*) FROM session
WHERE crawl = $1 AND expires_at > COALESCE($2::timestamptz, now()) AND timeline = current_timeline()
