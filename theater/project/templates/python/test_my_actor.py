"""Without wasm and without a running system: `python -m pytest`."""

from my_actor import MyActor

from theater.testing import InProcess


def test_it_counts_greetings():
    actor = InProcess(MyActor)
    actor.message("ann")
    assert actor.request("bob") == b"2"
    assert actor.logged == ["hello, ann", "hello, bob"]
