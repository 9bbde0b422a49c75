SELECT site, hosts FROM site WHERE crawl = :crawl AND site = ANY (:site)
