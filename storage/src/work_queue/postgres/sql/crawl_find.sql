SELECT id FROM crawl WHERE name = $1
