-- Every transaction locks hosts in the order of their ids, so that no two wait for each other.
SELECT {columns}
FROM host WHERE crawl = :crawl AND host_id = ANY (:host_id)
ORDER BY host_id FOR UPDATE
