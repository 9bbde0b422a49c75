-- In the order of the commits. The one before tells how long it took only to the one behind it.
SELECT session, commit_seq, records,
    (SELECT previous_commit_us FROM fetched AS behind
        WHERE behind.crawl = $1 AND behind.session = fetched.session
        AND behind.commit_seq = fetched.commit_seq + 1)
FROM fetched WHERE crawl = $1 AND (session, commit_seq) > ($2, $3)
ORDER BY session, commit_seq LIMIT $4
