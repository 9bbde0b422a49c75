SELECT host_id, url_hash, state FROM task
WHERE crawl = :crawl AND state IN (2, 3) AND (host_id, url_hash) > (:host_id, :url_hash)
ORDER BY host_id, url_hash LIMIT :limit
