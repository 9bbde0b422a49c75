SELECT number, id, started_at, last_commit_at, commit_seq, usage FROM session WHERE crawl = :crawl ORDER BY number
