-- divergence_discriminator: What tells the bad from the good: operators that make a difference, by what they are called with (NULL: all else).
WITH named(name, args, differs, verdict, n, first) AS (
  SELECT t.name, t.args, k.flags & 1, k.verdict, k.n, k.first FROM pair_kind k JOIN pair_text t ON t.id = coalesce(k.a_text, k.b_text)
), bad(name) AS (
  SELECT DISTINCT name FROM named WHERE verdict BETWEEN 5 AND 8
), grouped AS (
  SELECT n.name, n.differs, n.verdict, n.n, n.first,
    iif(max(n.verdict BETWEEN 5 AND 8) OVER (PARTITION BY n.name, n.differs, n.args), n.args, NULL) AS args
  FROM named n WHERE n.name IN (SELECT name FROM bad)
)
SELECT (SELECT text FROM string WHERE id = d.name) AS name, CASE WHEN d.differs THEN 'arguments differ' ELSE 'arguments equal' END AS attribute,
  (SELECT substr(text, 1, 400) FROM string WHERE id = d.args) AS args, sum(d.n) AS n,
  sum(d.n) FILTER (WHERE d.verdict = 8) AS input, sum(d.n) FILTER (WHERE d.verdict = 7) AS origin,
  sum(d.n) FILTER (WHERE d.verdict = 6) AS argument, sum(d.n) FILTER (WHERE d.verdict = 5) AS structure,
  sum(d.n) FILTER (WHERE d.verdict = 4) AS receiver, sum(d.n) FILTER (WHERE d.verdict = 2) AS masked,
  sum(d.n) FILTER (WHERE d.verdict = 0) AS same, coalesce(min(d.first) FILTER (WHERE d.verdict > 4), min(d.first)) AS first
FROM grouped d
GROUP BY d.name, d.differs, d.args
ORDER BY sum(d.n) FILTER (WHERE d.verdict > 4) DESC, sum(d.n) DESC, min(d.first);
