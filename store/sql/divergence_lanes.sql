-- divergence_lanes: The logs of a comparison side by side: how many calls, where each begins to differ.
SELECT coalesce(l.a_rank, l.b_rank) AS rank, coalesce(l.a_log, '(none)') AS a_log, coalesce(l.b_log, '(none)') AS b_log, l.a_calls, l.b_calls,
  (SELECT coalesce(sum(n), 0) FROM pair_kind WHERE lane = l.id AND verdict = 0) AS same,
  (SELECT coalesce(sum(n), 0) FROM pair_kind WHERE lane = l.id AND verdict = 7) AS origins,
  (SELECT coalesce(sum(n), 0) FROM pair_kind WHERE lane = l.id AND verdict = 4) AS receivers,
  (SELECT coalesce(sum(n), 0) FROM pair_kind WHERE lane = l.id AND verdict <> 0) AS differing,
  (SELECT coalesce(a_position, b_position) FROM pair WHERE id = l.first_pair) AS first_call,
  (SELECT name FROM divergence WHERE id = l.first_pair) AS first_name, l.first_pair, l.origin_pair,
  (SELECT min(id) FROM pair WHERE lane = l.id) AS low, (SELECT max(id) FROM pair WHERE lane = l.id) AS high, l.id AS lane
FROM lane l
ORDER BY coalesce(l.a_rank, l.b_rank), l.id;
