SELECT {columns}, task.state, task.outcome
FROM task WHERE crawl = :crawl
ORDER BY host_id, url_hash LIMIT :limit
