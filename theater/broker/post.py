"""Decide where a message goes: into a mailbox, or among the dead letters. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from theater.broker.actors import Actor, Handed
from theater.broker.book import Book, ToWorker
from theater.broker.mailbox import Message
from theater.events import INLINE_MAX, content_hash


@dataclass(slots=True)
class Post(Book):
    """The book, and what carries messages in it."""

    def deliver(
        self, sender: Actor, turn: int, index: int, to: str, body: bytes, kind: str
    ) -> tuple[int, str | None]:
        """Make a message a row. Returns its id, and why it became a dead letter if it did."""
        target = self.actors.get(to)
        error = self._why_not(target, to, kind)
        if error is None and target is not None and target.mailbox.refuses():
            error = f"mailbox-full: {to} has {target.mailbox.messages} messages waiting"
        message = Message(self.next_message, kind, sender.name, turn, index, None, body)
        self._message_row(message, target, to, sender.id, dead=error is not None)
        if error is not None:
            self.dead_letter(message, to, None, error, None, None)
        else:
            assert target is not None
            self._put(target, message)
            self._know_sender(target, sender.name)
            if sender is not target and target.mailbox.is_full():
                sender.blocked_on.add(target.name)
                target.blocking.add(sender.name)
        return message.id, error

    def deliver_from_client(
        self, to: str, body: bytes, kind: str, client: str
    ) -> tuple[int, str | None]:
        """As `deliver`, but what cannot be taken becomes no row: the client is told."""
        message = Message(self.next_message, kind, None, None, None, client, body)
        return self._deliver_or_refuse(message, None, to)

    def deliver_again(
        self, dead: Message, sender_id: int | None, to: str
    ) -> tuple[int, str | None]:
        """As `deliver_from_client`: a new message like one that is dead, from whom that was.

        Of a client's own it has no id: that client has had its error, and waits no more.
        """
        message = replace(dead, id=self.next_message, client=None, deliveries=0)
        id, error = self._deliver_or_refuse(message, sender_id, to)
        if error is None and message.sender is not None:
            self._know_sender(self.actors[to], message.sender)
        return id, error

    def _deliver_or_refuse(
        self, message: Message, sender_id: int | None, to: str
    ) -> tuple[int, str | None]:
        target, size = self.actors.get(to), len(message.body)
        error = self._why_not(target, to, message.kind)
        if size > self.message_max:
            error = f"too-large: {size} bytes; a message has at most {self.message_max}"
        elif error is None and target is not None and target.mailbox.is_full():
            error = f"mailbox-full: {to} has {target.mailbox.messages} messages waiting"
        if error is not None or target is None:
            return 0, error
        self._message_row(message, target, to, sender_id, dead=False)
        self._put(target, message)
        return message.id, None

    def _why_not(self, target: Actor | None, to: str, kind: str) -> str | None:
        if target is None or target.phase == "removed":
            return f"no-actor: there is no actor {to}"
        if not target.takes_messages() and not self.closing:
            return f"stopped: {to} is {target.phase}"
        if kind not in target.settings.takes:
            return f"refused: {to} does not export handle-{kind}"
        return None

    def _know_sender(self, target: Actor, sender: str) -> None:
        """Whoever has sent to an actor may be answered by it."""
        if sender not in target.senders:
            target.senders.add(sender)
            self.batch.senders.append((target.id, sender))
            self.out.append(ToWorker(target, ("sender", sender)))

    def _put(self, target: Actor, message: Message) -> None:
        target.mailbox.put(message)
        self.touched[target.name] = target

    def _message_row(
        self, message: Message, target: Actor | None, to: str, sender: int | None, dead: bool
    ) -> None:
        body: bytes | None = message.body
        if len(message.body) > INLINE_MAX:
            message.body_hash = content_hash(message.body)
            self.batch.blobs.append((message.body_hash, message.body))
            body = None
        self.batch.messages.append(
            (
                message.id,
                message.kind,
                target.id if target else None,
                to,
                sender,
                message.sender_turn,
                message.sender_index,
                message.client,
                len(message.body),
                body,
                message.body_hash,
                "dead" if dead else "queued",
                self.at,
            )
        )
        self.next_message += 1

    def consume(self, actor: Actor, handed: Handed, status: str) -> None:
        message = handed.message
        assert message is not None
        actor.mailbox.consumed(message)
        self.batch.consumed.append((status, handed.turn, message.id))
        if not actor.mailbox.is_full():
            self.unblock(actor)

    def stop_waiting(self, actor: Actor) -> None:
        """It does not wait for full mailboxes any more: it is dead."""
        for name in actor.blocked_on:
            full = self.actors.get(name)
            if full is not None:
                full.blocking.discard(actor.name)
        actor.blocked_on.clear()

    def unblock(self, actor: Actor) -> None:
        """Nobody has to wait for this mailbox: it has room, or takes nothing any more."""
        for name in actor.blocking:
            sender = self.actors.get(name)
            if sender is not None:
                sender.blocked_on.discard(actor.name)
                self.touched[name] = sender
        actor.blocking.clear()
