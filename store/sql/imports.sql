-- imports: What was read of each run, and how much of it is sound.
SELECT r.name AS run, count(f.id) AS logs, sum(f.size) AS bytes, sum(f.n_records) AS records, sum(f.n_payloads) AS payloads,
  coalesce(sum((SELECT sum(md5_mismatches) FROM envelope_count e WHERE e.source = f.id)), 0) AS md5_mismatches,
  sum((SELECT count(*) FROM unknown_record u WHERE u.source = f.id)) AS unknown,
  coalesce(sum((SELECT sum(count) FROM loss l WHERE l.source = f.id)), 0) AS losses,
  sum(f.state IS NOT 'complete') AS open_logs
FROM run r
LEFT JOIN source_file f ON f.run = r.id
GROUP BY r.id
ORDER BY losses DESC, r.name;
