SELECT known.host_id, known.url_hash
FROM unnest(:host_id::uuid[], :url_hash::uuid[]) AS asked (host_id, url_hash)
JOIN task AS known ON known.crawl = :crawl AND known.host_id = asked.host_id AND known.url_hash = asked.url_hash
WHERE known.state <> 0
