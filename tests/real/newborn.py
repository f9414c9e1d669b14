"""What the zygote of test_birth.py makes instead of a worker: it does what its order is named.

Its "component" is a pipe it may be told something through, its "black box" one it answers through.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from typing import Any, NoReturn


def warm() -> None: ...


def main(order: dict[str, Any]) -> NoReturn:
    globals()[order["actor"]](order["component_fd"], order["box_fd"])
    os._exit(0)


def show(told: int, answer: int) -> None:
    """Who is this, and what does it hold?"""
    descriptors = [int(name) for name in os.listdir("/proc/self/fd")]
    with open("/proc/self/status", encoding="ascii") as file:
        status = {name: text.strip() for name, _, text in (line.partition(":") for line in file)}
    facts = {
        "parent": os.getppid(),
        "group": os.getpgid(0),
        # Without the one that listdir itself had open.
        "descriptors": sorted(fd for fd in descriptors if os.path.exists(f"/proc/self/fd/{fd}")),
        "its own": sorted((told, answer)),
        "status": status,
    }
    os.write(answer, json.dumps(facts).encode())


def obey(told: int, _answer: int) -> None:
    """Take long before it can be stopped."""
    os.read(told, 1)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(10))
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    time.sleep(60)


def live(_told: int, answer: int) -> None:
    """Threads, locks, children: all that a process may have after an ordinary fork."""
    ids: list[int] = []
    heard: list[int] = []
    lock = threading.RLock()
    main_thread = threading.get_ident()
    signal.signal(signal.SIGUSR1, lambda number, _: heard.append(number))

    def work() -> None:
        with lock:
            ids.append(threading.get_native_id())
        # The C library has to know this process's first thread by its new id.
        signal.pthread_kill(main_thread, signal.SIGUSR1)

    with lock:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids) | {os.getpid()}) == 5
    assert heard and set(heard) == {signal.SIGUSR1}
    child = os.fork()
    if child == 0:
        os._exit(3)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    os.write(answer, b"well")
