from __future__ import annotations

from importlib import metadata

import pytest

from theater import installed


@pytest.mark.parametrize("package", ["wasmtime", "componentize_py", "msgpack"])
def test_it_says_what_the_installer_has_written(package: str) -> None:
    assert installed.version(package) == metadata.version(package)


def test_there_is_none_of_what_is_not_there() -> None:
    assert installed.version("no_such_package") is None
    assert installed.version("json") is None  # Python's own
