UPDATE task SET state = new.state, attempts = new.attempts, not_before = new.not_before,
    named_by = new.named_by::uuid[], outcome = new.outcome
FROM unnest(:host_id::uuid[], :url_hash::uuid[], :state::smallint[], :attempts::smallint[],
        :not_before::timestamptz[], :named_by::text[], :outcome::bytea[])
    AS new (host_id, url_hash, state, attempts, not_before, named_by, outcome)
WHERE task.crawl = :crawl AND task.host_id = new.host_id AND task.url_hash = new.url_hash
