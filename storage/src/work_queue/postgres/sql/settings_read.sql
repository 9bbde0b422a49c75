SELECT settings FROM crawl WHERE id = $1
