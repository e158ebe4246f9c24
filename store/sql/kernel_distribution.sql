-- kernel_distribution: How often launches of a kernel took how long: classes of a quarter of an octave.
-- :id  needed: row id of the kernel; of a member of a combo kernel the launches of that
WITH it AS (
  SELECT l.site, f.process FROM kernel k JOIN kernel_site l ON l.kernel = k.id
  LEFT JOIN compile c ON c.id = k.compile LEFT JOIN source_file f ON f.id = c.source
  WHERE k.id = (SELECT coalesce(combo, id) FROM kernel WHERE id = :id)
)
SELECT b.class, cast(exp2 AS INTEGER) AS from_ns, b.launches, b.total_ns FROM (
  SELECT cast(floor(log2(max(e.dur, 1)) * 4) AS INTEGER) AS class, pow(2, floor(log2(max(e.dur, 1)) * 4) / 4) AS exp2,
    count(*) AS launches, cast(total(e.dur) AS INTEGER) AS total_ns
  FROM it CROSS JOIN launch_site l ON l.site = it.site AND (l.process = it.process OR l.process IS NULL OR it.process IS NULL)
  CROSS JOIN event e ON e.launch = l.launch AND e.dur IS NOT NULL
  GROUP BY 1
) b
ORDER BY b.class;
