UPDATE session SET expires_at = COALESCE(:now, now()) + make_interval(secs => :ttl_s)
WHERE crawl = :crawl AND id = :id AND expires_at IS NOT NULL AND timeline = current_timeline()
RETURNING COALESCE(:now, now()) AS now
