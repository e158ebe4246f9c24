-- kernel_parts: Kernels that a combo kernel launches at once, with the blocks that each of them has.
-- :id  needed: row id of the combo kernel, or of one of its members
SELECT k.member, (SELECT text FROM string WHERE id = k.name) AS name, k.role, k.first_block, k.blocks,
  (SELECT count(*) FROM kernel_op o WHERE o.kernel = k.id) AS n_ops,
  (SELECT group_concat(text, ', ') FROM (SELECT w.text FROM kernel_op o JOIN string w ON w.id = o.node
    WHERE o.kernel = k.id ORDER BY o.position)) AS nodes,
  k.outer_points, k.inner_points, k.bytes_read, k.bytes_written, k.flops, k.id
FROM kernel k
WHERE k.combo = (SELECT coalesce(combo, id) FROM kernel WHERE id = :id)
ORDER BY k.member, k.id;
