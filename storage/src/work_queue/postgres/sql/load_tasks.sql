SELECT {columns}
FROM unnest(:host_id::uuid[]) AS asked (host_id)
JOIN host ON host.crawl = :crawl AND host.host_id = asked.host_id AND host.owner = :owner
CROSS JOIN LATERAL (
    SELECT * FROM task WHERE crawl = :crawl AND task.host_id = asked.host_id AND state = 0
    ORDER BY priority, url_hash LIMIT :limit
) AS task
