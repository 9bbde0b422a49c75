SELECT current_database() || '/' || name || '/' || (extract(epoch FROM created_at) * 1000000)::bigint FROM crawl WHERE id = $1
