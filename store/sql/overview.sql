-- overview: One run in numbers: what ran, what came of it.
-- :run  name of the run; the first when not given
WITH shown(id) AS (
  SELECT id FROM run WHERE :run IS NULL OR name = :run ORDER BY start_ts IS NULL, start_ts, id LIMIT 1
), log AS (
  SELECT f.* FROM source_file f WHERE f.run = (SELECT id FROM shown)
), made AS (
  SELECT c.* FROM compile c WHERE c.source IN (SELECT id FROM log)
), asked AS (
  SELECT e.outcome FROM cache_event e WHERE e.source IN (SELECT id FROM log)
), sums AS (
  SELECT count(*) AS compiles, count(DISTINCT name) AS functions, sum(outcome = 'ok') AS ok, sum(outcome = 'empty') AS empty,
    sum(outcome = 'restarted') AS restarted, sum(outcome = 'failed') AS failed, sum(outcome = 'unknown') AS unknown,
    sum(total_ns) AS compile_ns, sum(backend_ns) AS backend_ns, sum(lost_ns) AS lost_ns, sum(n_ops) AS ops, sum(n_guards) AS guards
  FROM made
)
SELECT r.name AS run, r.command, r.cwd, r.start_ts, r.end_ts, r.ended, r.exit_code, r.torch_version, r.torch_commit,
  r.python_version, r.cuda_version, r.triton_version, r.seed, r.determinism, r.world,
  (SELECT count(*) FROM log) AS logs, (SELECT count(DISTINCT rank) FROM log) AS ranks,
  (SELECT min(name) FROM log) AS first_log, (SELECT sum(size) FROM log) AS log_bytes,
  (SELECT sum(n_records) FROM log) AS records, (SELECT sum(state <> 'complete') FROM log) AS incomplete,
  (SELECT min(p.pid) FROM process p WHERE p.run = r.id) AS pid,
  (SELECT count(*) FROM process p WHERE p.run = r.id) AS processes,
  sums.*,
  (SELECT count(DISTINCT p.compile) FROM recompile p WHERE p.compile IN (SELECT id FROM made)) AS recompiles,
  (SELECT count(*) FROM graph_break b WHERE b.source IN (SELECT id FROM log)) AS graph_breaks,
  (SELECT count(*) FROM artifact a WHERE a.source IN (SELECT id FROM log)) AS artifacts,
  (SELECT count(*) FROM export_finding x WHERE x.source IN (SELECT id FROM log)) AS export_findings,
  (SELECT count(*) FROM kernel k WHERE k.compile IN (SELECT id FROM made)) AS kernels,
  (SELECT sum(outcome = 'hit') FROM asked) AS cache_hits, (SELECT sum(outcome = 'miss') FROM asked) AS cache_misses,
  (SELECT sum(outcome = 'bypass') FROM asked) AS cache_bypasses,
  (SELECT sum(coalesce(nullif(l.calls, 0), (SELECT max(position) + 1 FROM call WHERE source = l.source), 0)) FROM call_log l
    WHERE l.source IN (SELECT id FROM log)) AS calls,
  (SELECT count(*) FROM call_log l WHERE l.source IN (SELECT id FROM log)) AS call_logs,
  CASE (SELECT count(*) FROM run) WHEN 1 THEN (SELECT count(*) FROM event WHERE launch IS NOT NULL) END AS launches,
  (SELECT sum(l.count) FROM loss l WHERE l.source IN (SELECT id FROM log)) AS losses
FROM run r, sums
WHERE r.id = (SELECT id FROM shown);
