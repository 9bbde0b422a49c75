-- Fails if another commit has just inserted the same host. The commit is then repeated.
INSERT INTO host (crawl, host_id, origin, is_seed, is_site, hops, redirect, due_at, not_before, inbox, accepted, unfinished, wall_us,
    busy_session, busy_since, account)
SELECT :crawl, new.host_id, new.origin, new.is_seed, new.is_site, new.hops, new.redirect, new.due_at, new.not_before, new.inbox, new.accepted,
    new.unfinished, new.wall_us, new.busy_session, new.busy_since, new.account
FROM unnest(:host_id::uuid[], :origin::text[], :is_seed::boolean[], :is_site::boolean[], :hops::bigint[], :redirect::bytea[],
        :due_at::timestamptz[],
        :not_before::timestamptz[], :inbox::bigint[], :accepted::bigint[], :unfinished::bigint[], :wall_us::bigint[],
        :busy_session::integer[], :busy_since::timestamptz[], :account::bytea[])
    AS new (host_id, origin, is_seed, is_site, hops, redirect, due_at, not_before, inbox, accepted, unfinished, wall_us, busy_session,
        busy_since, account)
ORDER BY new.host_id
