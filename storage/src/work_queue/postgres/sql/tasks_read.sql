SELECT {columns}, task.state, task.outcome
FROM unnest(:host_id::uuid[], :url_hash::uuid[]) AS asked (host_id, url_hash)
JOIN task ON task.crawl = :crawl AND task.host_id = asked.host_id AND task.url_hash = asked.url_hash
