-- Facts about the server: its version, whether it is read-only, the schema, whether the user may create tables in it,
-- which tables it has, and whether schema_version is that of this application.
SELECT current_setting('server_version_num')::integer AS version,
    current_setting('server_version') AS version_text,
    pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean AS is_read_only,
    current_schema() AS schema,
    COALESCE(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create,
    (SELECT string_agg(relname, ', ')
        FROM (SELECT relname::text FROM pg_class
            WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')
            ORDER BY relname LIMIT 5) AS first_few) AS tables,
    to_regclass('schema_version') IS NOT NULL
        AND EXISTS (SELECT FROM pg_attribute
            WHERE attrelid = to_regclass('schema_version') AND attname = 'application' AND NOT attisdropped) AS is_ours
