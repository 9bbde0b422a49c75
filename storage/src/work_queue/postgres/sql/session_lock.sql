-- The same, and for the rest of the transaction nobody can declare it dead.
SELECT commit_seq, COALESCE($3::timestamptz, now())
FROM session WHERE crawl = $1 AND id = $2 AND expires_at IS NOT NULL AND timeline = current_timeline()
FOR UPDATE
