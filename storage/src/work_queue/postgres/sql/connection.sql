-- Waiting for a stuck worker must not outlast a session, and a stopped process must not hold locks for long.
SET lock_timeout = '5s';
SET idle_in_transaction_session_timeout = '30s';
-- Every statement can find its rows by an index. A plan made while the tables were small would later scan whole tables.
SET enable_seqscan = off;
SET jit = off;
-- An acknowledged commit must be durable, even if the server's default is otherwise.
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
