"""Decide what the calls of a step do to stores when it commits, and answer what is asked. Pure.

That a file is there nobody here can see: its worker has put it there before it sent the step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from theater.broker.actors import Actor
from theater.broker.step import Step, content_of
from theater.broker.storetables import Shelves
from theater.events import Event
from theater.storecalls import (
    StoreCall,
    contents_answer,
    label_answer,
    labels_answer,
    read_call,
)
from theater.stores import LIST_MAX

if TYPE_CHECKING:
    from theater.broker.book import Book

Change = tuple[int, StoreCall, int]  # index of the event, what it says, size of the content


def check(actor: Actor, step: Step, content_max: int) -> list[Change]:
    """What the calls of a step may change. Raises ProtocolError."""
    changes = []
    for event in step.store_calls:
        call = read_call(
            actor.settings.stores, actor.name, step.turn, event.index, event.function, event.payload
        )
        if call is None:
            continue
        size = 0 if call.content is None else len(content_of(call.content, step, content_max))
        if call.content is not None or call.changes_label:
            changes.append((event.index, call, size))
    return changes


def apply(book: Book, changes: list[Change], first_seq: int, first_index: int) -> None:
    """Change what the stores hold. The first event of the step has these numbers."""
    batch = book.batch
    for index, call, size in changes:
        seq = first_seq + index - first_index
        if call.content is not None:
            assert call.hash is not None
            batch.contents.setdefault(call.store, {}).setdefault(call.hash, (size, seq))
        if call.label is None:
            continue
        before = None
        if call.function == "remove-from-label":
            before = Shelves(book.store_rows, batch).label(call.store, call.label)
            if before != call.hash:
                continue
        named = call.names(before)
        batch.labels.setdefault(call.store, {})[call.label] = (
            None if named is None else (named, seq)
        )


def answer(book: Book, event: Event) -> dict[str, Any]:
    """Of what is asked about a store, with all that has been decided until now."""
    store, *rest = event.payload[0]
    shelves = Shelves(book.store_rows, book.batch)
    match event.function:
        case "get-by-label":
            return label_answer(shelves.label(store, rest[0]))
        case "list-labels":
            return labels_answer(store, shelves.labels(store, LIST_MAX + 1))
        case "list-all-content":
            return contents_answer(store, shelves.contents(store, LIST_MAX + 1))
        case "calculate-total-size":
            return {"ok": shelves.total_bytes(store)}
    raise AssertionError(f"nobody answers {event.function}")
