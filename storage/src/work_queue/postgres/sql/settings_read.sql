SELECT settings FROM crawl WHERE id = :crawl
