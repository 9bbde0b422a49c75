SELECT session, seq, name, bytes, rows, crc32c FROM segment WHERE crawl = :crawl ORDER BY session, seq
