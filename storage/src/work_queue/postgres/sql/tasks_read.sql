SELECT known.host_id, known.url_hash, kind, depth, hops, attempts, not_before, url, parent_host, parent_url, named_by,
    state, outcome
FROM unnest($2::uuid[], $3::uuid[]) AS asked (host_id, url_hash)
JOIN task AS known ON known.crawl = $1 AND known.host_id = asked.host_id AND known.url_hash = asked.url_hash
