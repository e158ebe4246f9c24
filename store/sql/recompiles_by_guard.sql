-- recompiles_by_guard: Recompile reasons per kind of guard, with what usually helps.
-- :run  name of a run; all runs when not given
SELECT kind, count(*) AS reasons, count(DISTINCT compile) AS compiles, sum(total_ns) AS cost_ns,
  CASE kind
    WHEN 'size' THEN 'torch._dynamo.mark_dynamic(x, dim) before the first call, or dynamic=True'
    WHEN 'stride' THEN 'make the layout equal: x.contiguous() before the call'
    WHEN 'rank' THEN 'one compile per number of dimensions is expected'
    WHEN 'dtype' THEN 'one compile per dtype is expected'
    WHEN 'device' THEN 'one compile per device is expected'
    WHEN 'requires_grad' THEN 'call once with and once without gradients before timing'
    WHEN 'dispatch keys' THEN 'enter and leave modes (inference, autocast, subclass) outside of the compiled call'
    WHEN 'symbol' THEN 'sizes that were equal, or a layout: begin with sizes that differ; 0 and 1 are compiles of their own'
    WHEN 'program' THEN 'the function does something else at these sizes, or its kernels are combined otherwise'
    WHEN 'number' THEN 'integers become symbols after one recompile; pass floats as tensors'
    WHEN 'bool' THEN 'a bool stays a constant: one compile per value is expected'
    WHEN 'string' THEN 'a string stays a constant: choose the function outside, or compile once per value on purpose'
    WHEN 'length' THEN 'keep the number of elements fixed, or stack them into one tensor'
    WHEN 'type' THEN 'pass values of one type'
    WHEN 'object' THEN 'pass the same object again, not a new one per call'
    WHEN 'global state' THEN 'set it once, before the first call'
    ELSE 'see the reason itself' END AS helps
FROM recompile_reasons
WHERE :run IS NULL OR run = :run
GROUP BY kind
ORDER BY reasons DESC, kind;
