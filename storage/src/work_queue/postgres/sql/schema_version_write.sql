UPDATE schema_version SET version = :version WHERE application = 'sitemap-crawler'
