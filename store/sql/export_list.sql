-- export_list: What exports of a run reported, with stacks.
-- :run  name of a run; all runs when not given
SELECT x.id, x.kind, x.op, x.reason, x.result, x.locals, x.symbol_sources, stack_text(x.user_stack) AS user_stack,
  stack_text(x.stack) AS stack, x.expression_node, x.log, x.rank
FROM export_findings x
WHERE :run IS NULL OR x.run = :run
ORDER BY x.id
LIMIT 200;
