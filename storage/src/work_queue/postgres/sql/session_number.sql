UPDATE crawl SET sessions = sessions + 1 WHERE id = :crawl RETURNING sessions - 1 AS number
