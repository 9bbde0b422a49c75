SELECT number, started_at FROM session WHERE crawl = :crawl AND id = :id
