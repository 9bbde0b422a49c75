-- Ids are hashes that the workers compute; host_id is the 128-bit id of a host. There are no sequences, foreign keys or
-- triggers: each would make every commit slower, and only this program changes the tables.

-- The timeline of the write-ahead log, taken from the names of its files. The promotion of a standby starts a new
-- timeline.
CREATE FUNCTION current_timeline() RETURNS text LANGUAGE sql STABLE
    AS 'SELECT substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)';

CREATE TABLE crawl (
    id integer PRIMARY KEY,
    name text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL,
    -- Settings of the crawl, as JSON.
    settings text,
    sessions integer NOT NULL DEFAULT 0
);

-- The seeds of the crawl. One that is not added yet may be claimed by a worker, which adds it to the tasks.
CREATE TABLE seed (
    crawl integer NOT NULL,
    url text NOT NULL,
    is_added boolean NOT NULL DEFAULT false,
    claimed_at timestamptz,
    PRIMARY KEY (crawl, url)
);
CREATE INDEX seed_new ON seed (crawl, url) WHERE NOT is_added;

-- One run of one worker. Rows are never deleted, because reports need them. expires_at is NULL once the session has
-- ended, and an ended session never becomes alive again.
CREATE TABLE session (
    crawl integer NOT NULL,
    number integer NOT NULL,
    id uuid NOT NULL UNIQUE,
    worker text NOT NULL,
    started_at timestamptz NOT NULL,
    expires_at timestamptz,
    commit_seq bigint NOT NULL DEFAULT 0,
    last_commit_at timestamptz NOT NULL,
    usage bytea NOT NULL,
    -- What its commits added to the totals of the crawl. With one row for all sessions, commits would wait for each
    -- other.
    hosts bigint NOT NULL DEFAULT 0,
    hosts_done bigint NOT NULL DEFAULT 0,
    tasks bigint NOT NULL DEFAULT 0,
    tasks_pending bigint NOT NULL DEFAULT 0,
    entries bigint NOT NULL DEFAULT 0,
    requests bigint NOT NULL DEFAULT 0,
    -- The timeline on which the session was opened. A standby may lack answers that the session got, so a session of
    -- another timeline counts as ended.
    timeline text NOT NULL DEFAULT current_timeline(),
    PRIMARY KEY (crawl, number)
) WITH (fillfactor = 30, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

CREATE TABLE host (
    crawl integer NOT NULL,
    host_id uuid NOT NULL,
    origin text NOT NULL,
    is_seed boolean NOT NULL,
    -- Whether it ever had a task of its own. If not, it is known only because a robots.txt redirects to it.
    is_site boolean NOT NULL,
    -- Number of pending requests for other hosts.
    hops bigint NOT NULL,
    -- Where its robots.txt was redirected to, and what was answered there.
    redirect bytea,
    -- The number of the session that leases it, and the random number of the call that leased it.
    owner integer,
    lease bigint NOT NULL DEFAULT 0,
    -- Reclaimed from an ended session and not released since. The last request of that session may be unrecorded.
    reaped boolean NOT NULL DEFAULT false,
    -- Time from which it may be leased; NULL while it is leased or has no work.
    due_at timestamptz,
    not_before timestamptz,
    parked boolean NOT NULL DEFAULT false,
    inbox bigint NOT NULL,
    accepted bigint NOT NULL,
    unfinished bigint NOT NULL,
    wall_us bigint NOT NULL DEFAULT 0,
    busy_session integer,
    busy_since timestamptz,
    account bytea NOT NULL,
    PRIMARY KEY (crawl, host_id),
    CHECK (owner IS NULL OR due_at IS NULL)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

CREATE INDEX host_due ON host (crawl, due_at, host_id) WHERE due_at IS NOT NULL;
CREATE INDEX host_owner ON host (crawl, owner) WHERE owner IS NOT NULL;
CREATE INDEX host_parked ON host (crawl, not_before) WHERE parked;

-- Number of hosts of a registrable domain that were found and not seeded. Of sessions that add hosts at the same time,
-- each may add as many as are allowed.
CREATE TABLE site (
    crawl integer NOT NULL,
    site text NOT NULL,
    hosts bigint NOT NULL,
    PRIMARY KEY (crawl, site)
);

-- Separate from table host, because every commit rewrites the rows of its hosts.
CREATE TABLE robots (
    crawl integer NOT NULL,
    host_id uuid NOT NULL,
    record bytea NOT NULL,
    PRIMARY KEY (crawl, host_id)
);

-- state: 0 pending, 1 done, 2 given up, 3 given up because the host's robots.txt could not be fetched, 4 never a
-- task: the final URL of another task.
CREATE TABLE task (
    crawl integer NOT NULL,
    host_id uuid NOT NULL,
    url_hash uuid NOT NULL,
    state smallint NOT NULL,
    priority integer NOT NULL,
    -- 0 robots.txt, 1 sitemap, 2 the last guess, 3 a request for another host, n >= 4 the guessed path with number n - 4.
    -- The priority of a request for another host is 65535.
    kind smallint NOT NULL,
    depth integer NOT NULL,
    hops smallint NOT NULL,
    attempts smallint NOT NULL,
    not_before timestamptz,
    url text NOT NULL,
    parent_host uuid,
    parent_url uuid,
    named_by uuid[] NOT NULL,
    outcome bytea,
    PRIMARY KEY (crawl, host_id, url_hash)
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

CREATE INDEX task_pending ON task (crawl, host_id, priority, url_hash) WHERE state = 0;
CREATE INDEX task_given_up ON task (crawl, host_id, url_hash) WHERE state IN (2, 3);

-- The requests of each commit, in one record, because they are only read together. previous_commit_us is how long the
-- session's previous commit took.
CREATE TABLE fetched (
    crawl integer NOT NULL,
    session integer NOT NULL,
    commit_seq bigint NOT NULL,
    previous_commit_us bigint NOT NULL,
    records bytea NOT NULL,
    PRIMARY KEY (crawl, session, commit_seq)
);

-- The files of entries. A file in the output that is not registered here does not count.
CREATE TABLE segment (
    crawl integer NOT NULL,
    session integer NOT NULL,
    seq integer NOT NULL,
    name text NOT NULL,
    bytes bigint NOT NULL,
    rows bigint NOT NULL,
    crc32c bigint NOT NULL,
    registered_at timestamptz NOT NULL,
    PRIMARY KEY (crawl, session, seq)
);
