"""What is provided to packages here is upstream's, by hash."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from theater.calls import split_name
from theater.pack.hashes import interface_hash
from theater.pack.interfaces import IMPORTS, NOT_HERE, provided
from theater.pack.metadata import full_name
from theater.pack.parsing import parse_type
from theater.pack.types import Function

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "vectors.json").read_text())


def function(declared: dict[str, Any]) -> Function:
    params = tuple((f"p{at}", parse_type(each)) for at, each in enumerate(declared["params"]))
    results = [parse_type(each) for each in declared["results"]]
    return Function(params, results[0] if results else None)


def test_what_is_provided_here_is_what_upstream_provides() -> None:
    whole = {
        each["interface"]: each
        for each in VECTORS["interface_hashes"]
        if each["description"].startswith("the whole interface")
    }
    assert set(whole) <= set(IMPORTS) | set(NOT_HERE)
    for name in set(whole) & set(IMPORTS):
        theirs = {each["name"]: function(each) for each in whole[name]["functions"]}
        ours = provided(name)
        assert set(ours) == set(theirs)
        assert interface_hash(name, ours).hex() == whole[name]["hash"]


def test_an_export_is_named_by_its_interface_if_it_has_one() -> None:
    for interface, name, full in (("a:b/c", "f", "a:b/c.f"), ("", "f", "f")):
        assert full_name(interface, name) == full and split_name(full) == (interface, name)
