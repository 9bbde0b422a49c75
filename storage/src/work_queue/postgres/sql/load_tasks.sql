SELECT {columns}
FROM unnest(:host_id::uuid[]) AS asked (host_id)
JOIN host ON host.crawl = :crawl AND host.host_id = asked.host_id AND host.owner = :owner
CROSS JOIN LATERAL (
    -- Requests for other hosts have a limit of their own.
    (SELECT * FROM task
        WHERE crawl = :crawl AND task.host_id = asked.host_id AND state = 0 AND priority < 65535
        ORDER BY priority, url_hash LIMIT :limit)
    UNION ALL
    (SELECT * FROM task
        WHERE crawl = :crawl AND task.host_id = asked.host_id AND state = 0 AND priority = 65535
        ORDER BY url_hash LIMIT :limit)
) AS task
