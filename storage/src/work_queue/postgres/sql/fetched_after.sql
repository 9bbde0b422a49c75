-- In the order of commits. The time of a commit is stored in the row of the next one.
SELECT session, commit_seq, records,
    (SELECT previous_commit_us FROM fetched AS following
        WHERE following.crawl = $1 AND following.session = fetched.session
        AND following.commit_seq = fetched.commit_seq + 1)
FROM fetched WHERE crawl = $1 AND (session, commit_seq) > ($2, $3)
ORDER BY session, commit_seq LIMIT $4
