INSERT INTO robots (crawl, host_id, record)
SELECT $1, new.host_id, new.record FROM unnest($2::uuid[], $3::bytea[]) AS new (host_id, record) ORDER BY 2
ON CONFLICT (crawl, host_id) DO UPDATE SET record = excluded.record
