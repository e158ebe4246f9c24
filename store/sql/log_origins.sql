-- log_origins: The logs of a run, and where rank, year and time zone come from.
-- :run  name of a run; all runs when not given
SELECT f.name AS log, f.path, f.rank, f.rank_from, f.size, f.n_records AS records, f.n_payloads AS payloads, f.state,
  f.compressed, f.crlf, f.year, f.year_from, f.zone_ns,
  t.packed AS stored, p.pid, p.start_ts, p.end_ts
FROM source_file f
LEFT JOIN (SELECT stream, sum(packed) AS packed FROM text_frame GROUP BY stream) t ON t.stream = f.id
LEFT JOIN run r ON r.id = f.run
LEFT JOIN process p ON p.id = f.process
WHERE :run IS NULL OR r.name = :run
ORDER BY f.rank, f.name;
