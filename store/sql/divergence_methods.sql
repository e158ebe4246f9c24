-- divergence_methods: How the calls of the two runs were brought together, and how many are alone.
SELECT CASE method WHEN 0 THEN 'alone' WHEN 1 THEN 'position' WHEN 2 THEN 'key' WHEN 3 THEN 'key without arguments'
    WHEN 4 THEN 'key without modules' WHEN 5 THEN 'variant of the operator' WHEN 6 THEN 'origins of the kernel' WHEN 7 THEN 'tensors'
    WHEN 8 THEN 'order' WHEN 9 THEN 'equal results' WHEN 10 THEN 'hand' ELSE 'gap too large to align' END AS method,
  sum(n) AS n, coalesce(sum(n) FILTER (WHERE b_text IS NULL), 0) AS only_a, coalesce(sum(n) FILTER (WHERE a_text IS NULL), 0) AS only_b,
  min(first) AS first, method AS number
FROM pair_kind
GROUP BY method
ORDER BY sum(n) DESC;
