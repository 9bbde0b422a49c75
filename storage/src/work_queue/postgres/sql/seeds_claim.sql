UPDATE seed SET claimed_at = now()
WHERE crawl = :crawl AND url IN (
    SELECT url FROM seed
    WHERE crawl = :crawl AND NOT is_added AND (claimed_at IS NULL OR claimed_at < now() - interval '60 seconds')
    ORDER BY url LIMIT :n FOR UPDATE SKIP LOCKED
)
RETURNING url
