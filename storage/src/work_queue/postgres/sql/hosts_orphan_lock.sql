-- A separate statement, so that it sees the hosts that the sessions leased up to the last moment.
SELECT {columns}, COALESCE(:now::timestamptz, now()) AS now
FROM host WHERE crawl = :crawl AND owner = ANY (:owner)
ORDER BY host_id FOR UPDATE
