-- The last commit of a live session and the current time; no row if the session has ended.
SELECT commit_seq, COALESCE(:now::timestamptz, now()) AS now
FROM session WHERE crawl = :crawl AND id = :id AND expires_at IS NOT NULL AND timeline = current_timeline()
