UPDATE crawl SET settings = :settings WHERE id = :crawl AND settings IS NULL
