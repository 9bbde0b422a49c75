WITH replaced AS (DELETE FROM segment WHERE crawl = $1 AND session = $2 AND seq >= $8 AND seq < $3)
INSERT INTO segment (crawl, session, seq, name, bytes, rows, crc32c, registered_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, COALESCE($9, now()))
