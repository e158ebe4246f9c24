-- recompiles_with_reasons: Compiles that were made because a guard failed, with their reasons.
-- :run  name of a run; all runs when not given
SELECT rank, compile_id, previous, reasons, function, file, line, outcome, total_ns / 1e6 AS total_ms,
  occurrence, run, log
FROM recompiles
WHERE :run IS NULL OR run = :run
ORDER BY run, rank, compile;
