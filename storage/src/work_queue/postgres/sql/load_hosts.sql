SELECT host_id, inbox, busy_since FROM host WHERE crawl = $1 AND host_id = ANY ($2) AND owner = $3
