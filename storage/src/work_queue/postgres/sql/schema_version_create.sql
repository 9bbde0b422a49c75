-- Many tools have a table of this name. The column `application` identifies this one.
CREATE TABLE schema_version (application text PRIMARY KEY, version integer NOT NULL);
INSERT INTO schema_version VALUES ('sitemap-crawler', 0);
