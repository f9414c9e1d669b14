"""The component, in a running system: `python -m pytest`."""


def test_it_counts_greetings(theater_system):
    theater_system.send("my-actor", "ann")
    assert theater_system.request("my-actor", "bob") == b"2"
    assert theater_system.lines("my-actor") == ["hello, ann", "hello, bob"]


def test_it_still_knows_when_it_was_killed(theater_system):
    assert theater_system.request("my-actor", "ann") == b"1"
    theater_system.kill("my-actor")
    assert theater_system.request("my-actor", "bob") == b"2"
