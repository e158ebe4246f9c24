-- nonfinite_first: Calls where a NaN or an infinity comes up, the first ones.
-- :run  name of a run; all runs when not given
SELECT n.name, n.phase, n.arg, n.tensor, n.dtype, n.shape, n.nans, n.infs, n.log, n.call_position AS position, n.rank, n.ts, n.run
FROM nonfinite n
WHERE :run IS NULL OR n.run = :run
ORDER BY n.call, n.position
LIMIT 51;
