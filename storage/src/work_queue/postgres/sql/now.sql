SELECT COALESCE(:now::timestamptz, now()) AS now
