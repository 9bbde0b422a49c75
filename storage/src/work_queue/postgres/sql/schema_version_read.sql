SELECT version FROM schema_version WHERE application = 'sitemap-crawler'
