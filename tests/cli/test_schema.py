"""`theater schema` as it is run."""

from __future__ import annotations

import json

from tests.cli.conftest import Home


def test_the_schema_is_printed_or_written_into_a_file(home: Home) -> None:
    printed = json.loads(home.out("schema"))
    assert printed["properties"]["durability"]["enum"] == ["disk", "process"]
    assert home.out("schema", "--fragment", "-o", "fragment.json") == ""
    fragment = json.loads((home.directory / "fragment.json").read_text())
    assert fragment["required"] == ["child"] and "name" not in fragment["properties"]
    message = home.fails(6, "schema", "-o", "no/such/directory.json")
    assert "cannot write no/such/directory.json: No such file or directory" in message
