-- In the order of the names, so that no two transactions wait for each other.
INSERT INTO site (crawl, site, hosts)
SELECT :crawl, new.site, new.hosts FROM unnest(:site::text[], :hosts::bigint[]) AS new (site, hosts)
ORDER BY new.site
ON CONFLICT (crawl, site) DO UPDATE SET hosts = site.hosts + EXCLUDED.hosts
