SELECT {columns}, task.state, task.outcome
FROM task WHERE crawl = :crawl AND (host_id, url_hash) > (:host_id, :url_hash)
ORDER BY host_id, url_hash LIMIT :limit
