-- run_totals: Sums over the compiles of each run and rank.
SELECT run, rank, count(*) AS compiles, count(DISTINCT compile_id) AS ids, sum(outcome = 'failed') AS failed,
  sum(outcome = 'restarted') AS restarted, sum(total_ns) / 1e6 AS total_ms, sum(lost_ns) / 1e6 AS lost_ms,
  sum(n_ops) AS ops, sum(n_guards) AS guards
FROM compiles
GROUP BY run, rank
ORDER BY run, rank;
