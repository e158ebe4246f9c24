-- divergence_answer: The answer of a comparison, and where a cursor stands in it.
-- :at  number of a pair; the first difference when not given
WITH me(id, lane) AS (
  SELECT id, lane FROM pair WHERE id >= min(coalesce(:at, (SELECT first_pair FROM comparison), 0), (SELECT max(id) FROM pair)) ORDER BY id LIMIT 1
)
SELECT c.verdict, c.answer, c.notes, c.a_file, c.b_file, c.a_run, c.b_run, c.hash_kind, c.first_pair, c.origin_pair, c.before,
  (SELECT flags FROM pair WHERE id = c.origin_pair) AS origin_flags, me.id AS at, me.lane,
  (SELECT min(id) FROM pair WHERE lane = me.lane) AS low, (SELECT max(id) FROM pair WHERE lane = me.lane) AS high,
  (SELECT count(*) FROM lane) AS lanes, (SELECT sum(a_calls) FROM lane) AS a_calls, (SELECT sum(b_calls) FROM lane) AS b_calls,
  coalesce(l.a_rank, l.b_rank) AS rank, coalesce(l.a_log, l.b_log) AS log
FROM comparison c
LEFT JOIN me
LEFT JOIN lane l ON l.id = me.lane
LIMIT 1;
