-- compile_id_divergence: Compile ids that some ranks of a run have and others lack.
-- :run  name of a run; all runs when not given
WITH ranks AS (
  SELECT DISTINCT run, rank FROM logs WHERE rank IS NOT NULL AND (:run IS NULL OR run = :run)
), ids AS (
  SELECT DISTINCT run, compile_id, rank FROM compiles WHERE rank IS NOT NULL AND (:run IS NULL OR run = :run)
), have AS (
  SELECT run, compile_id, count(*) AS n FROM ids GROUP BY run, compile_id
)
SELECT h.run, h.compile_id,
  (SELECT group_concat(rank, ', ') FROM (SELECT rank FROM ids i WHERE i.run IS h.run AND i.compile_id = h.compile_id
    ORDER BY rank)) AS ranks_with,
  (SELECT group_concat(rank, ', ') FROM (SELECT rank FROM ranks k WHERE k.run IS h.run AND NOT EXISTS
    (SELECT 1 FROM ids i WHERE i.run IS h.run AND i.compile_id = h.compile_id AND i.rank = k.rank)
    ORDER BY rank)) AS ranks_without
FROM have h
WHERE h.n < (SELECT count(*) FROM ranks k WHERE k.run IS h.run)
ORDER BY h.run, h.compile_id;
