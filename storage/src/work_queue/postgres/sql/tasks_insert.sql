INSERT INTO task (crawl, host_id, url_hash, state, priority, kind, depth, hops, attempts, not_before, url, parent_host,
    parent_url, named_by, outcome)
SELECT $1, new.host_id, new.url_hash, new.state, new.priority, new.kind, new.depth, new.hops, new.attempts,
    new.not_before, new.url, new.parent_host, new.parent_url, new.named_by::uuid[], new.outcome
FROM unnest($2::uuid[], $3::uuid[], $4::smallint[], $5::integer[], $6::smallint[], $7::integer[], $8::smallint[],
    $9::smallint[], $10::timestamptz[], $11::text[], $12::uuid[], $13::uuid[], $14::text[], $15::bytea[])
    AS new (host_id, url_hash, state, priority, kind, depth, hops, attempts, not_before, url, parent_host, parent_url,
        named_by, outcome)
