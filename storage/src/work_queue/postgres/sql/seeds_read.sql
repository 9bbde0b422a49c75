SELECT url FROM seed WHERE crawl = $1 ORDER BY url
