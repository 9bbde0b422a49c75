UPDATE session SET commit_seq = $3::bigint, last_commit_at = COALESCE($4, now()),
    expires_at = COALESCE($4, now()) + make_interval(secs => $5), usage = $6,
    hosts = hosts + $7, hosts_done = hosts_done + $8, tasks = tasks + $9, tasks_pending = tasks_pending + $10,
    entries = entries + $11, requests = requests + $12
WHERE crawl = $1 AND id = $2 AND expires_at IS NOT NULL AND commit_seq = $3::bigint - 1
