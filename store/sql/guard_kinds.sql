-- guard_kinds: Guards of a run per kind, with what each kind checks.
-- :run  name of a run; all runs when not given
SELECT k.text AS kind, sum(g.guards) AS guards, sum(g.guards) AS bar, sum(g.compiles) AS compiles,
  CASE k.text
    WHEN 'TENSOR_MATCH' THEN 'dtype, device, shape, strides, requires_grad and dispatch keys of a tensor'
    WHEN 'ID_MATCH' THEN 'the very same object'
    WHEN 'TYPE_MATCH' THEN 'the type of an object'
    WHEN 'EQUALS_MATCH' THEN 'a Python value'
    WHEN 'TRUE_MATCH' THEN 'a bool that was True'
    WHEN 'FALSE_MATCH' THEN 'a bool that was False'
    WHEN 'NONE_MATCH' THEN 'a value that was None'
    WHEN 'NOT_NONE' THEN 'a value that was not None'
    WHEN 'LENGTH_CHECK' THEN 'the length of a container'
    WHEN 'DICT_CONTAINS' THEN 'a key that a dict has or lacks'
    WHEN 'DICT_LENGTH' THEN 'the length of a dict'
    WHEN 'DICT_VERSION' THEN 'that a dict was not changed'
    WHEN 'DIMENSION_DYNAMIC_MARKING_GUARD' THEN 'that mark_dynamic was not called since'
    WHEN 'DYNAMIC_INDICES' THEN 'the dimensions that are marked dynamic'
    WHEN 'NO_TENSOR_ALIASING' THEN 'that no two inputs are the same tensor'
    WHEN 'NO_HASATTR' THEN 'an attribute that is not there'
    WHEN 'GLOBAL_STATE' THEN 'grad mode, autocast, threads, deterministic algorithms and such'
    WHEN 'TORCH_FUNCTION_MODE_STACK' THEN 'the modes that are entered'
    WHEN 'DEFAULT_DEVICE' THEN 'the default device'
    WHEN 'LAMBDA_GUARD' THEN 'a relation of symbols, or a hook that is not set'
    WHEN 'SYMBOLIC_SHAPE_GUARD' THEN 'a relation of symbols'
    WHEN 'guard_added' THEN 'a relation of symbols that the trace needed'
    WHEN 'guard_added_fast' THEN 'a relation of symbols that the trace needed'
  END AS checks
FROM (SELECT kind, sum(n) AS guards, count(compile) AS compiles
  FROM (SELECT kind, source, compile, count(*) AS n FROM guard GROUP BY kind, source, compile)
  WHERE source IN (SELECT f.id FROM source_file f LEFT JOIN run r ON r.id = f.run WHERE :run IS NULL OR r.name = :run)
  GROUP BY kind) g
JOIN string k ON k.id = g.kind
GROUP BY k.text
ORDER BY guards DESC, kind;
