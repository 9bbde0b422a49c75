INSERT INTO fetched (crawl, session, commit_seq, previous_commit_us, records) VALUES ($1, $2, $3, $4, $5)
