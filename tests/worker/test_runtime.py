"""What the handler `runtime` answers by itself."""

from __future__ import annotations

from theater.worker.handlers.runtime import Runtime


def test_a_result_that_is_too_large_is_refused_and_nothing_ends() -> None:
    runtime = Runtime("a", 3)
    answer = runtime.call("shutdown", [b"four"])
    assert answer == {"err": "too-large: 4 bytes; a result has at most 3"}
    runtime.replayed("shutdown", [b"four"], answer)
    assert not runtime.shutdown_called
    assert runtime.call("shutdown", [b"two"]) == {"ok": None}
    assert runtime.shutdown_called
