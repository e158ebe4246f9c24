-- loss_kinds: Losses per kind, of all runs.
SELECT kind, sum(count) AS count, sum(bytes) AS bytes, count(DISTINCT source) AS logs, min(message) AS first_message
FROM loss
GROUP BY kind
ORDER BY count DESC, kind;
