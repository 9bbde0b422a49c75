UPDATE task SET state = new.state, attempts = new.attempts, not_before = new.not_before,
    named_by = new.named_by::uuid[], outcome = new.outcome
FROM unnest($2::uuid[], $3::uuid[], $4::smallint[], $5::smallint[], $6::timestamptz[], $7::text[], $8::bytea[])
    AS new (host_id, url_hash, state, attempts, not_before, named_by, outcome)
WHERE task.crawl = $1 AND task.host_id = new.host_id AND task.url_hash = new.url_hash
