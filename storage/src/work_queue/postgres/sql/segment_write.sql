WITH replaced AS (
    DELETE FROM segment WHERE crawl = :crawl AND session = :session AND seq >= :replaces_from AND seq < :seq
)
INSERT INTO segment (crawl, session, seq, name, bytes, rows, crc32c, registered_at)
VALUES (:crawl, :session, :seq, :name, :bytes, :rows, :crc32c, COALESCE(:now, now()))
