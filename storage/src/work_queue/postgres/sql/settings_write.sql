UPDATE crawl SET settings = $2 WHERE id = $1 AND settings IS NULL
