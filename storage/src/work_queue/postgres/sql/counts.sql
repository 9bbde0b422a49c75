SELECT hosts, hosts_done, tasks, tasks_pending, entries, requests,
    (SELECT count(*) FROM host WHERE crawl = :crawl AND parked AND not_before > COALESCE(:now, now())) AS hosts_parked,
    (SELECT count(*) FROM host WHERE crawl = :crawl AND owner IS NOT NULL) AS hosts_leased,
    (SELECT min(due_at) FROM host WHERE crawl = :crawl AND due_at IS NOT NULL AND NOT parked) AS next_due_at
FROM (SELECT COALESCE(sum(hosts), 0)::bigint AS hosts, COALESCE(sum(hosts_done), 0)::bigint AS hosts_done,
        COALESCE(sum(tasks), 0)::bigint AS tasks, COALESCE(sum(tasks_pending), 0)::bigint AS tasks_pending,
        COALESCE(sum(entries), 0)::bigint AS entries, COALESCE(sum(requests), 0)::bigint AS requests
    FROM session WHERE crawl = :crawl) AS totals
