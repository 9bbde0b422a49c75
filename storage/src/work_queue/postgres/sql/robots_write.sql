INSERT INTO robots (crawl, host_id, record)
SELECT :crawl, new.host_id, new.record
FROM unnest(:host_id::uuid[], :record::bytea[]) AS new (host_id, record)
ORDER BY new.host_id
ON CONFLICT (crawl, host_id) DO UPDATE SET record = excluded.record
