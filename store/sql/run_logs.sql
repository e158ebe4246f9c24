-- run_logs: The logs of a run.
-- :run  name of a run; all runs when not given
SELECT f.name AS log, f.rank, f.n_records AS records, f.n_payloads AS payloads, f.size, p.start_ts, p.end_ts, f.state, f.path, r.name AS run
FROM source_file f LEFT JOIN process p ON p.id = f.process LEFT JOIN run r ON r.id = f.run
WHERE :run IS NULL OR r.name = :run
ORDER BY r.name, f.rank, f.name;
