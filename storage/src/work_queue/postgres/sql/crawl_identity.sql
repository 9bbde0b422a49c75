SELECT current_database() || '/' || name || '/' || (extract(epoch FROM created_at) * 1000000)::bigint AS identity
FROM crawl WHERE id = :crawl
