"""The socket pair to root, when both sides have more to say than it holds."""

from __future__ import annotations

import contextlib
import socket
import threading

from theater import wire
from theater.broker.root import RootSocket

MANY = 20_000
NEWS = ("buried", "pool/worker", 1, "crash", "killed by SIGKILL", False)


def test_two_who_say_more_than_the_socket_holds_do_not_wait_for_each_other() -> None:
    ours, theirs = socket.socketpair()
    broker, root = RootSocket(theirs), RootSocket(ours)
    for side in (broker, root):
        for _ in range(MANY):
            side.send(NEWS)
        side.flush()
        assert side.has_unsent()
    heard = dict.fromkeys((broker, root), 0)
    while broker.has_unsent() or root.has_unsent() or min(heard.values()) < MANY:
        for side in (broker, root):
            side.receive()
            while side.next() is not None:
                heard[side] += 1
            side.flush()
    assert set(heard.values()) == {MANY}


def test_messages_come_in_their_order_however_they_are_cut() -> None:
    ours, theirs = socket.socketpair()
    broker = RootSocket(theirs)
    data = b"".join(wire.frame(("phase", str(number))) for number in range(100))
    heard = []
    for start in range(0, len(data), 7):
        ours.sendall(data[start : start + 7])
        broker.receive()
        while (message := broker.next()) is not None:
            heard.append(int(message[1]))
    assert heard == list(range(100))


def test_what_root_said_before_it_went_is_heard() -> None:
    ours, theirs = socket.socketpair()
    broker = RootSocket(theirs)
    ours.sendall(wire.frame(("decided", "", {})))
    ours.close()
    broker.send(NEWS)
    broker.flush()
    broker.receive()
    assert broker.closed and broker.next() == ["decided", "", {}]
    assert not broker.has_unsent()


def test_the_last_words_come_through_to_a_root_that_is_itself_telling_something() -> None:
    ours, theirs = socket.socketpair()
    broker = RootSocket(theirs)
    for _ in range(MANY):
        broker.send(NEWS)
    broker.flush()
    heard = []

    def root() -> None:
        """Says it all before it listens, as one does who blocks."""
        ours.sendall(wire.frame(NEWS) * MANY)
        frames = wire.FrameReader()
        with contextlib.suppress(OSError):
            while data := ours.recv(1 << 16):
                heard.extend(frames.feed(data))

    thread = threading.Thread(target=root)
    thread.start()
    broker.say_last(("fatal", "the disk is gone"))
    theirs.close()
    thread.join(10)
    assert heard[-1] == ["fatal", "the disk is gone"] and len(heard) == MANY + 1


def test_the_last_words_are_not_waited_for_when_root_is_gone() -> None:
    ours, theirs = socket.socketpair()
    broker = RootSocket(theirs)
    ours.close()
    broker.say_last(("fatal", "nobody listens"))
