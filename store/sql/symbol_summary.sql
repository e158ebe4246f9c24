-- symbol_summary: Guards and symbols of a run in one row.
-- :run  name of a run; all runs when not given
SELECT (SELECT count(*) FROM guard g JOIN source_file f ON f.id = g.source LEFT JOIN run r ON r.id = f.run
    WHERE :run IS NULL OR r.name = :run) AS guards,
  (SELECT count(DISTINCT g.kind) FROM guard g JOIN source_file f ON f.id = g.source LEFT JOIN run r ON r.id = f.run
    WHERE :run IS NULL OR r.name = :run) AS kinds,
  (SELECT count(DISTINCT g.compile) FROM guard g JOIN source_file f ON f.id = g.source LEFT JOIN run r ON r.id = f.run
    WHERE :run IS NULL OR r.name = :run) AS compiles,
  (SELECT count(*) FROM symbols WHERE (:run IS NULL OR run = :run) AND kind <> 'specialization') AS symbols,
  (SELECT count(*) FROM symbols WHERE (:run IS NULL OR run = :run) AND kind = 'unbacked') AS unbacked,
  (SELECT count(*) FROM symbols WHERE (:run IS NULL OR run = :run) AND kind = 'specialization') AS fixed;
