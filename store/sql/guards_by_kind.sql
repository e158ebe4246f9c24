-- guards_by_kind: Guards per kind.
-- :run  name of a run; all runs when not given
SELECT kind, count(*) AS guards, count(DISTINCT compile) AS compiles
FROM guards
WHERE :run IS NULL OR run = :run
GROUP BY kind
ORDER BY guards DESC, kind;
