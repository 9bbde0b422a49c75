-- The tables of this application that the user lacks privileges on.
SELECT string_agg(name, ', ') AS tables
FROM unnest(ARRAY['crawl', 'seed', 'session', 'host', 'robots', 'task', 'fetched', 'segment']) AS name
WHERE NOT (has_table_privilege(name, 'SELECT') AND has_table_privilege(name, 'INSERT')
    AND has_table_privilege(name, 'UPDATE'))
