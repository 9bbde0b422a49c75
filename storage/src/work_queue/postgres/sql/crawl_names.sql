SELECT name FROM crawl ORDER BY name
