SELECT {columns} FROM host WHERE crawl = :crawl AND host_id = ANY(:host_id)
