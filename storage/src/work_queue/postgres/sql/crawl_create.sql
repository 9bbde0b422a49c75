-- The caller has locked the row of schema_version, so that two crawls do not get the same id.
INSERT INTO crawl (id, name, created_at)
SELECT COALESCE(max(id), 0) + 1, :name, now() FROM crawl
ON CONFLICT (name) DO NOTHING
