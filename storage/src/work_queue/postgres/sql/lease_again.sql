-- The hosts that an earlier try of the same call leased, if its answer was lost.
SELECT origin, is_seed, reaped, not_before, inbox, COALESCE(busy_since, COALESCE(:now, now())) AS busy_since, record
FROM host LEFT JOIN robots USING (crawl, host_id)
WHERE crawl = :crawl AND owner = :owner AND lease = :lease
ORDER BY GREATEST(not_before, busy_since), host_id
