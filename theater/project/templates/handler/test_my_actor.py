"""Without wasm and without a running system: `python -m pytest`."""

from my_actor import MyActor
from my_actor_handler import MyActorHandler

from theater.testing import InProcess


def test_it_writes_down_what_it_is_told(tmp_path):
    handler = MyActorHandler()
    handler.file = str(tmp_path / "lines.txt")
    actor = InProcess(MyActor, handlers={MyActorHandler.interface: handler})
    actor.message("ann")
    assert actor.request("bob") == b'["ann","bob"]'
    assert actor.logged == ["1 lines, the last: ann", "2 lines, the last: bob"]


def test_a_line_is_added_once_whatever_happens(tmp_path):
    handler = MyActorHandler()
    handler.file = str(tmp_path / "lines.txt")
    assert handler.add("ann", key="my-actor:2:1") == 1
    assert handler.add("ann", key="my-actor:2:1") == 1
    assert handler.add("ann", key="my-actor:3:1") == 2
