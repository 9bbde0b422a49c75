INSERT INTO task (crawl, host_id, url_hash, state, priority, kind, depth, hops, attempts, not_before, url, parent_host,
    parent_url, named_by, outcome)
SELECT :crawl, new.host_id, new.url_hash, new.state, new.priority, new.kind, new.depth, new.hops, new.attempts,
    new.not_before, new.url, new.parent_host, new.parent_url, new.named_by::uuid[], new.outcome
FROM unnest(:host_id::uuid[], :url_hash::uuid[], :state::smallint[], :priority::integer[], :kind::smallint[],
        :depth::integer[], :hops::smallint[], :attempts::smallint[], :not_before::timestamptz[], :url::text[],
        :parent_host::uuid[], :parent_url::uuid[], :named_by::text[], :outcome::bytea[])
    AS new (host_id, url_hash, state, priority, kind, depth, hops, attempts, not_before, url, parent_host, parent_url,
        named_by, outcome)
