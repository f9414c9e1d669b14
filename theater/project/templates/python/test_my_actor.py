"""Without wasm and without a running system: `python -m pytest`."""

from my_actor import MyActor

from theater.testing import InProcess


def test_it_counts_greetings():
    actor = InProcess(MyActor)
    actor.message("ann")
    actor.message("bob")
    assert actor.logged == ["hello, ann! greeting 1", "hello, bob! greeting 2"]
    assert actor.request("how many?") == b"2"
