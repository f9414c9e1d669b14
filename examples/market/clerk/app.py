"""The clerk: takes an order, asks for the price, writes the sale down and tells the visitor.

This file becomes a WebAssembly component, interpreter and all (`theater build`). What it may touch
is what the manifest grants: it can read the clock and print, but there is no disk and no network.

The state of an actor is bytes that Theater keeps for it, here JSON. It is handed to every call and
committed with what the call returned, so the clerk can be killed at any moment and the next one
goes on with the numbers of the last.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass

from componentize_py_types import Err
from wit_world.imports import message_server_host as messages


@dataclass
class Day:
    """What the clerk remembers."""

    served: int = 0
    turned_away: int = 0

    @classmethod
    def from_state(cls, state: bytes | None) -> Day:
        return cls(**json.loads(state)) if state else cls()

    def to_state(self) -> bytes:
        return json.dumps(asdict(self)).encode()


def price_of(item: str) -> int | None:
    """Ask `shop/prices`. If it crashes over the question, the answer is an error, not silence."""
    try:
        return int(messages.request("shop/prices", item.encode()))
    except Err as error:
        print(f"no price for {item} ({error.value})")
        return None


class Actor:
    def init(self, state: bytes | None, params: tuple[str]) -> tuple[bytes | None]:
        day = Day.from_state(state)
        print(f"the shop is open, it is {time.strftime('%H:%M:%S')} UTC")
        return (day.to_state(),)


class MessageServerClient:
    def handle_send(self, state: bytes | None, params: tuple[bytes]) -> tuple[bytes | None]:
        """An order is "VISITOR ITEM"."""
        day = Day.from_state(state)
        visitor, _, item = params[0].decode().partition(" ")

        # Ask first, send last: a request is a point from which there is no way back, while what is
        # sent leaves only when this call has returned and its new state is committed.
        price = price_of(item)
        if price is None:
            day.turned_away += 1
            reply = f"sorry, no {item} today"
        else:
            day.served += 1
            reply = f"here is your {item}, {price} coins please"
            messages.send("ledger", f"{price} {item} for {visitor}".encode())
        messages.send(visitor, reply.encode())
        return (day.to_state(),)

    def handle_request(
        self, state: bytes | None, params: tuple[str, bytes]
    ) -> tuple[bytes | None, tuple[bytes | None]]:
        """Whatever the question, the answer is how the day went."""
        return state, (Day.from_state(state).to_state(),)
