SELECT url FROM seed WHERE crawl = :crawl ORDER BY url
