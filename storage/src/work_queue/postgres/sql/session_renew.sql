UPDATE session SET expires_at = COALESCE($3, now()) + make_interval(secs => $4)
WHERE crawl = $1 AND id = $2 AND expires_at IS NOT NULL AND timeline = current_timeline()
RETURNING COALESCE($3, now())
