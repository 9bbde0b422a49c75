SELECT COALESCE($1::timestamptz, now())
