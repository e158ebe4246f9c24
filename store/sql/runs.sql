-- runs: What is in the file, run by run.
SELECT * FROM runs ORDER BY start_ts, id;
