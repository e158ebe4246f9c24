-- export_findings: What exports reported.
-- :run  name of a run; all runs when not given
SELECT rank, kind, op, reason, result, stack_text(user_stack) AS user_stack, run, log, id
FROM export_findings
WHERE :run IS NULL OR run = :run
ORDER BY run, rank, id;
