UPDATE crawl SET sessions = sessions + 1 WHERE id = $1 RETURNING sessions - 1
