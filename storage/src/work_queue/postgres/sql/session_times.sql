SELECT number, started_at, last_commit_at FROM session WHERE crawl = :crawl ORDER BY number
