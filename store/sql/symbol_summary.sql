-- symbol_summary: Guarded compiles and symbols of a run in one row.
-- :run  name of a run; all runs when not given
WITH log(id) AS (SELECT f.id FROM source_file f LEFT JOIN run r ON r.id = f.run WHERE :run IS NULL OR r.name = :run)
SELECT (SELECT count(*) FROM compile c WHERE source IN log AND EXISTS (SELECT 1 FROM guard g WHERE g.compile = c.id)) AS compiles,
  (SELECT count(*) FROM symbol WHERE source IN log AND kind <> 'specialization') AS symbols,
  (SELECT count(*) FROM symbol WHERE source IN log AND kind = 'unbacked') AS unbacked,
  (SELECT count(*) FROM symbol WHERE source IN log AND kind = 'specialization') AS fixed;
