-- divergence_next: The nearest pairs before and after a cursor that make a difference, or that differ at all; its producer and first consumer.
-- :at  number of a pair; the first difference when not given
WITH me(id, lane) AS (
  SELECT id, lane FROM pair WHERE id >= min(coalesce(:at, (SELECT first_pair FROM comparison), 0), (SELECT max(id) FROM pair)) ORDER BY id LIMIT 1
), kind(verdict) AS (VALUES (2), (4), (5), (6), (7), (8)),
near(verdict, before, after) AS (
  SELECT k.verdict,
    (SELECT p.id FROM pair p WHERE p.verdict = k.verdict AND p.lane = (SELECT lane FROM me) AND p.id < (SELECT id FROM me) ORDER BY p.id DESC LIMIT 1),
    (SELECT p.id FROM pair p WHERE p.verdict = k.verdict AND p.lane = (SELECT lane FROM me) AND p.id > (SELECT id FROM me) ORDER BY p.id LIMIT 1)
  FROM kind k
)
SELECT max(before) FILTER (WHERE verdict > 4) AS previous_origin, min(after) FILTER (WHERE verdict > 4) AS next_origin,
  max(before) AS previous, min(after) AS next,
  (SELECT max(t.producer) FROM pair_tensor t WHERE t.pair = (SELECT id FROM me) AND t.phase = 0) AS producer,
  (SELECT min(t.pair) FROM pair_tensor t WHERE t.producer = (SELECT id FROM me) AND t.pair > t.producer) AS consumer
FROM near;
