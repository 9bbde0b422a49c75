-- Many tools keep a table of this name: `application` tells ours.
CREATE TABLE schema_version (application text PRIMARY KEY, version integer NOT NULL);
INSERT INTO schema_version VALUES ('sitemap-crawler', 0);
