UPDATE session SET expires_at = NULL WHERE crawl = $1 AND id = $2 AND expires_at IS NOT NULL
