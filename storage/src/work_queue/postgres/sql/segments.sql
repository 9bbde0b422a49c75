SELECT session, seq, name, bytes, rows, crc32c FROM segment WHERE crawl = $1 ORDER BY session, seq
