UPDATE session SET commit_seq = :commit_seq::bigint, last_commit_at = COALESCE(:now, now()),
    expires_at = COALESCE(:now, now()) + make_interval(secs => :ttl_s), usage = :usage,
    hosts = hosts + :hosts, hosts_done = hosts_done + :hosts_done, tasks = tasks + :tasks,
    tasks_pending = tasks_pending + :tasks_pending, entries = entries + :entries, requests = requests + :requests
WHERE crawl = :crawl AND id = :id AND expires_at IS NOT NULL AND commit_seq = :commit_seq::bigint - 1
