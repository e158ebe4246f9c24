-- divergence_pair_tensors: Tensors of a pair that differ, or of which it is not known.
-- :sel  number of a pair, needed
SELECT phase, path, class, external, artefact, dtype, shape, a_hash, b_hash, relative, elements, ulp, a_nans, b_nans, a_infs, b_infs, producer
FROM divergence_tensors
WHERE pair = :sel;
