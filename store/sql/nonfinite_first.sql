-- nonfinite_first: Calls where a NaN or an infinity comes up, the first ones: as the view nonfinite, among the first 2000 tensors that have one.
-- :run  name of a run; all runs when not given
WITH early AS MATERIALIZED (
  SELECT u.event, u.position, u.phase, u.arg, u.tensor, u.dtype, u.shape, u.nans, u.infs, c.source, c.position AS call_position
  FROM tensor_use u CROSS JOIN call c ON c.event = u.event
  WHERE (u.nans > 0 OR u.infs > 0 OR (u.hash_kind = 1 AND (u.digest & 0x7ff0000000000000) = 0x7ff0000000000000))
    AND c.source IN (SELECT f.id FROM source_file f LEFT JOIN run r ON r.id = f.run WHERE :run IS NULL OR r.name = :run)
  ORDER BY u.event, u.position LIMIT 2000
)
SELECT (SELECT text FROM string WHERE id = e.name) AS name, CASE u.phase WHEN 0 THEN 'before' WHEN 1 THEN 'result' ELSE 'after' END AS phase,
  (SELECT text FROM string WHERE id = u.arg) AS arg, u.tensor, (SELECT text FROM string WHERE id = u.dtype) AS dtype,
  (SELECT text FROM string WHERE id = u.shape) AS shape, u.nans, u.infs, f.name AS log, u.call_position AS position, p.rank, e.ts, r.name AS run
FROM early u
JOIN event e ON e.id = u.event
LEFT JOIN source_file f ON f.id = u.source
LEFT JOIN process p ON p.id = f.process
LEFT JOIN run r ON r.id = f.run
WHERE CASE u.phase
  WHEN 0 THEN NOT EXISTS (SELECT 1 FROM early b WHERE b.event < u.event AND (u.tensor IS NULL OR b.tensor = u.tensor) AND b.source = u.source)
  ELSE NOT EXISTS (SELECT 1 FROM early a WHERE a.event = u.event AND a.phase = 0) END
ORDER BY u.event, u.position
LIMIT 51;
