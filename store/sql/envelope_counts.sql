-- envelope_counts: Records, payloads and md5 mismatches per log and envelope key.
-- :run  name of a run; all runs when not given
SELECT file, key, records, payloads, md5_mismatches, rank, run
FROM envelope_counts
WHERE :run IS NULL OR run = :run
ORDER BY run, file, records DESC, key;
