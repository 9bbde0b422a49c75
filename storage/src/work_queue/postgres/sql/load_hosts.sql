SELECT host_id, inbox, busy_since, redirect FROM host WHERE crawl = :crawl AND host_id = ANY (:host_id) AND owner = :owner
