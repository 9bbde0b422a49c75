SELECT id FROM session WHERE crawl = $1 AND expires_at IS NOT NULL
