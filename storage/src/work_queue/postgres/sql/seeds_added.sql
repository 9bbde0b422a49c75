UPDATE seed SET is_added = true WHERE crawl = :crawl AND url = ANY(:url::text[])
