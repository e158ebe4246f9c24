-- unknown_records: Records with a key that this version does not know, per log and key.
-- :run  name of a run; all runs when not given
SELECT key, count(*) AS records, sum(stored) AS bytes, min(artifact) AS first_artifact, rank, run, log
FROM unknown_records
WHERE :run IS NULL OR run = :run
GROUP BY source, key
ORDER BY run, log, key;
