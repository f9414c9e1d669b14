"""What a worker refuses itself of what its actor wants spawned, and what the broker is asked."""

from __future__ import annotations

from typing import Any

import pytest

from theater.calls import ABOUT_CHILDREN, BORN, WAITS
from theater.capabilities.supervisor import MANIFEST_NAME_MAX, fits_birth
from theater.worker.handlers import ASK
from theater.worker.handlers.supervisor import Supervisor

STATE_MAX, MESSAGE_MAX = 10, 20


def births(manifest: str, state: bytes | None, code: bytes | None) -> dict[str, list[Any]]:
    """The arguments of each function that has one born; of a component's, without the code."""
    given = [manifest, state] if code is None else [manifest, state, code]
    return {
        each: [manifest, state, code, None] if each == WAITS else given for each in sorted(BORN)
    }


FITS: list[tuple[str, bytes | None, bytes | None, str | None]] = [
    ("m", None, None, None),
    ("x" * MANIFEST_NAME_MAX, bytes(STATE_MAX), bytes(MESSAGE_MAX), None),
    ("m", None, b"", None),
    ("x" * (MANIFEST_NAME_MAX + 1), None, None, "too-large: the name of a manifest of 4097 bytes"),
    ("é" * (MANIFEST_NAME_MAX // 2 + 1), None, None, "too-large: the name of a manifest of 4098"),
    ("m", bytes(STATE_MAX + 1), None, "too-large: 11 bytes; a state has at most 10"),
    ("m", None, bytes(MESSAGE_MAX + 1), "too-large: wasm-bytes of 21 bytes; they are at most 20"),
]


@pytest.mark.parametrize("function", sorted(BORN))
@pytest.mark.parametrize(("manifest", "state", "code", "wrong"), FITS)
def test_what_is_too_large_it_is_told_at_once(
    function: str, manifest: str, state: bytes | None, code: bytes | None, wrong: str | None
) -> None:
    arguments = births(manifest, state, code)[function]
    assert fits_birth(function, arguments)
    answer = Supervisor(STATE_MAX, MESSAGE_MAX).call(function, arguments)
    if wrong is None:
        assert answer is ASK
    else:
        assert answer["err"].startswith(wrong)


@pytest.mark.parametrize("function", sorted(ABOUT_CHILDREN - BORN))
def test_all_else_the_broker_is_asked(function: str) -> None:
    assert Supervisor(STATE_MAX, MESSAGE_MAX).call(function, ["boss/a"]) is ASK


def test_there_is_no_other_function() -> None:
    with pytest.raises(LookupError):
        Supervisor(STATE_MAX, MESSAGE_MAX).call("adopt", [])
