-- Tables of ours that this user may not read and write.
SELECT string_agg(name, ', ')
FROM unnest(ARRAY['crawl', 'seed', 'session', 'host', 'robots', 'task', 'fetched', 'segment']) AS name
WHERE NOT (has_table_privilege(name, 'SELECT') AND has_table_privilege(name, 'INSERT')
    AND has_table_privilege(name, 'UPDATE'))
