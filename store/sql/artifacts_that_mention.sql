-- artifacts_that_mention: Artifacts whose text or name holds a word (`plumb search` is faster and takes expressions).
-- :word  text to look for; needed
-- :run   name of a run; all runs when not given
WITH texts AS (
  -- In the order of the logs, so that neighbours are inflated once; LIMIT and CROSS JOIN keep this a loop that stores nothing.
  SELECT id, artifact_text(id) AS text FROM artifact ORDER BY source, offset LIMIT -1
)
SELECT a.rank, a.compile_id, a.name, a.key, 1 + length(substr(t.text, 1, instr(t.text, :word)))
    - length(replace(substr(t.text, 1, instr(t.text, :word)), char(10), '')) AS line,
  (length(t.text) - length(replace(t.text, :word, ''))) / length(:word) AS mentions, a.size, a.run, a.log, a.id
FROM texts t
CROSS JOIN artifacts a ON a.id = t.id
WHERE (instr(t.text, :word) > 0 OR instr(a.name, :word) > 0) AND length(:word) > 0
  AND (:run IS NULL OR a.run = :run);
