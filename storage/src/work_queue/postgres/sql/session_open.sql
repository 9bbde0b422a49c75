INSERT INTO session (crawl, number, id, worker, started_at, last_commit_at, expires_at, usage)
SELECT $1, $2, $3, $4, at, at, at + make_interval(secs => $5), $6
FROM COALESCE($7::timestamptz, now()) AS at
