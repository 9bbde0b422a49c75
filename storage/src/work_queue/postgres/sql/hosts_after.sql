SELECT {columns}, robots.record
FROM host LEFT JOIN robots USING (crawl, host_id)
WHERE crawl = :crawl AND host_id >= :first ORDER BY host_id LIMIT :limit
