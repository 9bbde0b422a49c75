-- A peer that is stuck must not use up a session's life, nor may a process that was stopped hold locks for long.
SET lock_timeout = '5s';
SET idle_in_transaction_session_timeout = '30s';
-- Every statement finds its rows by an index. A plan made while the tables were small would read them whole later on.
SET enable_seqscan = off;
SET jit = off;
-- What is answered must be durable, whatever the server's default.
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
