-- The row of schema_version is locked, so that two do not take one number.
INSERT INTO crawl (id, name, created_at)
SELECT COALESCE(max(id), 0) + 1, $1, now() FROM crawl
ON CONFLICT (name) DO NOTHING
