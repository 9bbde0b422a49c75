SELECT number, started_at FROM session WHERE crawl = $1 AND id = $2
