SELECT id FROM crawl WHERE name = :name
