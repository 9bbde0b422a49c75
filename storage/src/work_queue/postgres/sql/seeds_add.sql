INSERT INTO seed (crawl, url) SELECT $1, url FROM unnest($2::text[]) AS url ORDER BY url ON CONFLICT DO NOTHING
