SELECT count(*) AS workers FROM session
WHERE crawl = :crawl AND expires_at > COALESCE(:now::timestamptz, now()) AND timeline = current_timeline()
