"""Line maps of two logs against maps that were written by hand from their text (tests/data/provenance_*.json).

The maps by hand count the lines of each payload from 1. Stored maps count code from `provenance_map.code_line`, as tlparse
does (it leaves out empty lines at the top), so that line has to be added.
"""
import json

import pytest

from conftest import ROOT, old_log, query

RELATIONS = ("preToPost", "postToPre", "pyCodeToPost", "postToPyCode", "cppCodeToPost", "postToCppCode")


def by_hand(which):
    with open(ROOT / f"tests/data/provenance_{which}.json", encoding="utf-8") as file:
        return json.load(file)


def stored(db, relation):
    rows = query(db, "SELECT p.line, p.to_line, coalesce(m.code_line, 1) - 1 AS above FROM provenance_lines p JOIN provenance_map m ON m.id = p.map "
                     "WHERE relation = :r ORDER BY p.map, p.line, p.position", r=relation)
    maps = {}
    for row in rows:
        left = row["above"] if "CodeToPost" in relation else 0
        right = row["above"] if relation.endswith("Code") else 0
        maps.setdefault(str(row["line"] + left), []).append(row["to_line"] + right)
    return maps


@pytest.mark.parametrize("which", ["aot", "jit"])
@pytest.mark.parametrize("relation", RELATIONS)
def test_line_maps(traces, which, relation):
    expected = by_hand(which)
    assert stored(traces(old_log(expected["log"])), relation) == expected[relation]


@pytest.mark.parametrize("which", ["aot", "jit"])
def test_maps_by_hand_are_large_enough_and_agree_with_themselves(which):
    expected = by_hand(which)
    assert sum(len(expected[relation]) for relation in RELATIONS) >= 20
    for there, back in (("preToPost", "postToPre"), ("pyCodeToPost", "postToPyCode"), ("cppCodeToPost", "postToCppCode")):
        pairs = {(int(a), b) for a, bs in expected[there].items() for b in bs}
        assert pairs == {(a, int(b)) for b, many in expected[back].items() for a in many}


@pytest.mark.parametrize("which", ["aot", "jit"])
def test_lines_name_what_they_link(traces, which):
    """The texts that the maps point into have, on the lines found by hand, the names found by hand."""
    expected = by_hand(which)
    db = traces(old_log(expected["log"]))
    row = query(db, "SELECT artifact_text(pre) AS pre, artifact_text(post) AS post, artifact_text(code) AS code FROM provenance_map")[0]
    for text, names in ((row["pre"], expected["pre_lines"]), (row["post"], expected["post_lines"]), (row["code"], expected["code_lines"])):
        lines = text.split("\n")
        for name, where in names.items():
            for line in where if isinstance(where, list) else [where]:
                assert name in lines[line - 1], (name, line)
