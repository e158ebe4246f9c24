-- provenance_links: Linked lines of one line map: relation 1 pre to post, 2 back, 3 and 5 code to post, 4 and 6 back.
-- :map  needed: row id of the map
SELECT relation, line, to_line FROM provenance WHERE map = :map ORDER BY relation, line, position;
