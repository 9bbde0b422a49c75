-- In the order of commits. The time of a commit is stored in the row of the next one.
SELECT session, commit_seq, records,
    (SELECT previous_commit_us FROM fetched AS following
        WHERE following.crawl = :crawl AND following.session = fetched.session
        AND following.commit_seq = fetched.commit_seq + 1) AS commit_us
FROM fetched WHERE crawl = :crawl AND (session, commit_seq) > (:session, :commit_seq)
ORDER BY session, commit_seq LIMIT :limit
