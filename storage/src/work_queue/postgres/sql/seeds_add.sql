INSERT INTO seed (crawl, url) SELECT :crawl, url FROM unnest(:url::text[]) AS url ORDER BY url ON CONFLICT DO NOTHING
