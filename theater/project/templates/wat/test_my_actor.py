"""The component, in a running system: `python -m pytest`."""


def test_it_counts_greetings(theater_system):
    theater_system.send("my-actor", "ann")
    theater_system.send("my-actor", "bob")
    assert theater_system.request("my-actor", "how many?") == b"2"
    assert theater_system.lines("my-actor") == ["hello, ann! greeting 1", "hello, bob! greeting 2"]


def test_it_still_knows_when_it_was_killed(theater_system):
    theater_system.send("my-actor", "ann")
    theater_system.request("my-actor", "how many?")
    theater_system.kill("my-actor")
    assert theater_system.request("my-actor", "how many?") == b"1"
