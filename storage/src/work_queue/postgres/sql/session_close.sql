UPDATE session SET expires_at = NULL WHERE crawl = :crawl AND id = :id AND expires_at IS NOT NULL
