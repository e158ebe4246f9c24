"""Line maps of two logs against maps that were written by hand from their text (tests/data/provenance_*.json).

Both count the lines of each text from 1. (tlparse leaves out what stands above `provenance_map.code_line`.)
"""
import json

import pytest

from conftest import ROOT, old_log, query

RELATIONS = ("preToPost", "postToPre", "pyCodeToPost", "postToPyCode", "cppCodeToPost", "postToCppCode")


def by_hand(which):
    with open(ROOT / f"tests/data/provenance_{which}.json", encoding="utf-8") as file:
        return json.load(file)


def stored(db, relation):
    rows = query(db, "SELECT line, to_line FROM provenance_lines WHERE relation = :r ORDER BY map, line, position", r=relation)
    maps = {}
    for row in rows:
        maps.setdefault(str(row["line"]), []).append(row["to_line"])
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
