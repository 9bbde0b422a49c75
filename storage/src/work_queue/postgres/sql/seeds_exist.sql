SELECT
    EXISTS (SELECT FROM seed WHERE crawl = :crawl) AS has_any,
    EXISTS (SELECT FROM seed WHERE crawl = :crawl AND NOT is_added) AS has_new
