INSERT INTO fetched (crawl, session, commit_seq, previous_commit_us, records)
VALUES (:crawl, :session, :commit_seq, :previous_commit_us, :records)
