-- divergence_alone: Calls that only one of the two runs has, by what is called.
SELECT CASE WHEN k.b_text IS NULL THEN 'A' ELSE 'B' END AS only_in, (SELECT text FROM string WHERE id = t.name) AS name,
  (SELECT substr(text, 1, 400) FROM string WHERE id = t.args) AS args, sum(k.n) AS n, min(k.first) AS first,
  max(k.method = 11) AS given_up
FROM pair_kind k
JOIN pair_text t ON t.id = coalesce(k.a_text, k.b_text)
WHERE k.a_text IS NULL OR k.b_text IS NULL
GROUP BY 1, t.name, t.args
ORDER BY min(k.first);
