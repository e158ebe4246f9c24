-- compiles_by_outcome: Compiles per outcome.
SELECT outcome, count(*) AS compiles FROM compile GROUP BY outcome ORDER BY compiles DESC;
