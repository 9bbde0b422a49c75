-- The timeline of the write-ahead log, as the names of its files tell it: another one from the promotion of a standby on.
CREATE FUNCTION current_timeline() RETURNS text LANGUAGE sql STABLE
    AS 'SELECT substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)';

-- The one on which it was opened. A standby may lack what the session was told before: on another timeline it is dead.
ALTER TABLE session ADD COLUMN timeline text NOT NULL DEFAULT current_timeline();
