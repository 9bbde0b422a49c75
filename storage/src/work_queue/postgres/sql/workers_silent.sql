-- If the server's clock was set back, a session expires later than one that was renewed just now.
SELECT count(*) AS workers, max(expires_at) AS until FROM session
WHERE crawl = :crawl AND expires_at > now() AND timeline = current_timeline()
    AND expires_at NOT BETWEEN now() + make_interval(secs => :renewed_s) AND now() + make_interval(secs => :ttl_s)
