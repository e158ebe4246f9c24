-- divergence_verdicts: Pairs of a comparison per verdict, how many of them have no digest that would tell, and how many are operators inside kernels.
WITH known(verdict, name) AS (
  VALUES (0, 'same'), (1, 'artefact'), (2, 'masked'), (3, 'unknown'), (4, 'receiver'), (5, 'structure'), (6, 'argument'), (7, 'origin'),
    (8, 'input')
)
SELECT k.name AS verdict, coalesce(sum(p.n), 0) AS n, coalesce(sum(p.n) FILTER (WHERE p.flags & 2), 0) AS unhashed,
  coalesce(sum(p.n) FILTER (WHERE p.flags & 1), 0) AS argument_differs, coalesce(sum(p.n) FILTER (WHERE p.flags & 32), 0) AS inside, min(p.first) AS first, k.verdict AS number
FROM known k
LEFT JOIN pair_kind p ON p.verdict = k.verdict
GROUP BY k.verdict
ORDER BY k.verdict DESC;
