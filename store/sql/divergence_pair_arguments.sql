-- divergence_pair_arguments: Arguments of a pair that are no tensors and differ.
-- :sel  number of a pair, needed
SELECT (SELECT text FROM string WHERE id = g.path) AS path, (SELECT text FROM string WHERE id = g.a) AS a,
  (SELECT text FROM string WHERE id = g.b) AS b
FROM pair_argument g
WHERE g.pair = :sel;
