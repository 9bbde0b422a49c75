SELECT number, started_at, last_commit_at FROM session WHERE crawl = $1 ORDER BY number
