SELECT task.host_id, url_hash, kind, depth, hops, attempts, task.not_before, url, parent_host, parent_url, named_by
FROM unnest($2::uuid[]) AS asked (host_id)
JOIN host ON host.crawl = $1 AND host.host_id = asked.host_id AND host.owner = $3
CROSS JOIN LATERAL (
    SELECT * FROM task WHERE crawl = $1 AND task.host_id = asked.host_id AND state = 0
    ORDER BY priority, url_hash LIMIT $4
) AS task
