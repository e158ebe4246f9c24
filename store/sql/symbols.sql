-- symbols: Symbols of dynamic shapes, created or fixed to a value.
-- :run  name of a run; all runs when not given
SELECT rank, compile_id, symbol, kind, value, range, origin, reason, occurrence, run, log
FROM symbols
WHERE :run IS NULL OR run = :run
ORDER BY run, rank, id;
