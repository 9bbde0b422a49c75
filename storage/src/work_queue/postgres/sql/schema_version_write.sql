UPDATE schema_version SET version = $1 WHERE application = 'sitemap-crawler'
