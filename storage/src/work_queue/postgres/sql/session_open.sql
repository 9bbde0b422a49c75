INSERT INTO session (crawl, number, id, worker, started_at, last_commit_at, expires_at, usage)
SELECT :crawl, :number, :id, :worker, at, at, at + make_interval(secs => :ttl_s), :usage
FROM COALESCE(:now::timestamptz, now()) AS at
