-- symbol_list: Symbols of a run with the user's stack where each was made.
-- :run  name of a run; all runs when not given
SELECT s.compile_id, s.occurrence, (SELECT outcome FROM compile WHERE id = s.compile) AS outcome, s.log, s.rank, s.symbol, s.kind,
  s.value, s.range, s.origin, s.reason, u.loc, u.file, u.line AS at_line,
  stack_text(s.user_stack) AS user_stack, s.id
FROM symbols s
LEFT JOIN stacks u ON u.id = s.user_stack
WHERE :run IS NULL OR s.run = :run
ORDER BY s.id;
