-- artifacts_that_mention: Artifacts whose text or name holds a word (`plumb search` is faster and takes expressions).
-- :word  text to look for; needed
-- :run   name of a run; all runs when not given
WITH texts AS (
  -- In the order of the logs, so that neighbours are inflated once; LIMIT keeps this a loop of its own.
  SELECT id, artifact_text(id) AS text FROM artifact ORDER BY source, offset LIMIT -1
), hits AS (
  SELECT id, text, instr(text, :word) AS at FROM texts LIMIT -1
)
SELECT a.rank, a.compile_id, a.name, a.key,
  1 + length(substr(h.text, 1, h.at)) - length(replace(substr(h.text, 1, h.at), char(10), '')) AS line,
  (length(h.text) - length(replace(h.text, :word, ''))) / length(:word) AS mentions, a.size, a.run, a.log, a.id
FROM hits h
JOIN artifacts a ON a.id = h.id
WHERE (h.at > 0 OR instr(a.name, :word) > 0) AND length(:word) > 0 AND (:run IS NULL OR a.run = :run);
