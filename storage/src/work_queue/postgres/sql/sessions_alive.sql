SELECT id FROM session WHERE crawl = :crawl AND expires_at IS NOT NULL
