INSERT INTO segment (crawl, session, seq, name, bytes, rows, crc32c, registered_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, COALESCE($8, now()))
