UPDATE host SET is_seed = new.is_seed, is_site = new.is_site, hops = new.hops, redirect = new.redirect,
    due_at = new.due_at, not_before = new.not_before, inbox = new.inbox,
    accepted = new.accepted, unfinished = new.unfinished, wall_us = new.wall_us, busy_session = new.busy_session,
    busy_since = new.busy_since, account = new.account
FROM unnest(:host_id::uuid[], :is_seed::boolean[], :is_site::boolean[], :hops::bigint[], :redirect::bytea[],
        :due_at::timestamptz[], :not_before::timestamptz[],
        :inbox::bigint[], :accepted::bigint[], :unfinished::bigint[], :wall_us::bigint[], :busy_session::integer[],
        :busy_since::timestamptz[], :account::bytea[])
    AS new (host_id, is_seed, is_site, hops, redirect, due_at, not_before, inbox, accepted, unfinished, wall_us, busy_session, busy_since,
        account)
WHERE host.crawl = :crawl AND host.host_id = new.host_id
