-- Ids are hashes that the workers compute. host_id is the 64-bit id with its sign bit turned over, so that PostgreSQL's
-- order of bigint is the order of ids. No sequences, no foreign keys, no triggers: each would cost every commit, and all
-- changes come from one program.

CREATE TABLE crawl (
    id integer PRIMARY KEY,
    name text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL,
    -- What it remembers of its flags, as JSON.
    settings text,
    sessions integer NOT NULL DEFAULT 0
);

-- What the crawl was started from.
CREATE TABLE seed (
    crawl integer NOT NULL,
    url text NOT NULL,
    PRIMARY KEY (crawl, url)
);

-- One run of one worker. It is never deleted, since reports need it; expires_at is NULL once it is dead, and a dead one never
-- comes back.
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
    -- What its commits added to the totals of the crawl. One row for all would make every commit wait for every other.
    hosts bigint NOT NULL DEFAULT 0,
    hosts_done bigint NOT NULL DEFAULT 0,
    tasks bigint NOT NULL DEFAULT 0,
    tasks_pending bigint NOT NULL DEFAULT 0,
    entries bigint NOT NULL DEFAULT 0,
    requests bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (crawl, number)
) WITH (fillfactor = 30, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

CREATE TABLE host (
    crawl integer NOT NULL,
    host_id bigint NOT NULL,
    origin text NOT NULL,
    is_seed boolean NOT NULL,
    -- The number of the session that has it, and which call of that session lent it.
    owner integer,
    lease bigint NOT NULL DEFAULT 0,
    -- Taken from a dead session and not given back since: its last request may have left unseen.
    reaped boolean NOT NULL DEFAULT false,
    -- From when on it may be lent; NULL while it is lent or has nothing to do.
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

-- Apart from its host, whose row every commit writes anew.
CREATE TABLE robots (
    crawl integer NOT NULL,
    host_id bigint NOT NULL,
    record bytea NOT NULL,
    PRIMARY KEY (crawl, host_id)
);

-- state: 0 pending, 1 done, 2 given up, 3 given up for want of the rules of its host, 4 never a task: the URL under
-- which another one was read.
CREATE TABLE task (
    crawl integer NOT NULL,
    host_id bigint NOT NULL,
    url_hash uuid NOT NULL,
    state smallint NOT NULL,
    priority integer NOT NULL,
    -- 0 robots.txt, 1 sitemap, 2 and more: the guessed path of that number less 2.
    kind smallint NOT NULL,
    depth integer NOT NULL,
    hops smallint NOT NULL,
    attempts smallint NOT NULL,
    not_before timestamptz,
    url text NOT NULL,
    parent_host bigint,
    parent_url uuid,
    named_by bigint[] NOT NULL,
    outcome bytea,
    PRIMARY KEY (crawl, host_id, url_hash)
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

CREATE INDEX task_pending ON task (crawl, host_id, priority, url_hash) WHERE state = 0;
CREATE INDEX task_given_up ON task (crawl, host_id, url_hash) WHERE state IN (2, 3);

-- The requests of each commit, in one record: they are only ever read all together. previous_commit_us is how long the
-- session's commit before it took.
CREATE TABLE fetched (
    crawl integer NOT NULL,
    session integer NOT NULL,
    commit_seq bigint NOT NULL,
    previous_commit_us bigint NOT NULL,
    records bytea NOT NULL,
    PRIMARY KEY (crawl, session, commit_seq)
);

-- A file of entries. What is not in here does not exist, whatever lies in the output.
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
