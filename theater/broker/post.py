"""Decide where a message goes: into a mailbox, or among the dead letters. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from theater.broker import channels, children, rounds, rpc
from theater.broker.actors import CALL, CHANNEL_CLOSE, CHANNEL_MESSAGE, LOOP, TICK, Actor, Handed
from theater.broker.book import Book, ToWorker
from theater.broker.mailbox import Message
from theater.calls import CALLS
from theater.events import INLINE_MAX, content_hash
from theater.quoting import quoted


@dataclass(slots=True)
class Post(Book):
    """The book, and what carries messages in it."""

    def deliver(
        self,
        sender: Actor,
        turn: int,
        index: int,
        to: str,
        body: bytes,
        kind: str,
        channel: str | None = None,
        refused: str | None = None,
    ) -> tuple[int, str | None]:
        """Make a message a row. Returns its id, and why it became a dead letter if it did.

        `refused`: why it is to be one in any case.
        """
        message = Message(self.next_message, kind, sender.name, turn, index, None, body)
        message.sender_id, message.channel = sender.id, channel
        error = self.post(message, to, refused)
        target = self.actors.get(to)
        if error is None and target is not None:
            self.know_sender(target, sender.name)
            if sender is not target:
                sender.narrowest = min(sender.narrowest, target.mailbox.bounds.max_messages)
                if target.mailbox.is_full():
                    if target.name not in sender.blocked_on:
                        self.batch.count("held_back")
                    sender.blocked_on.add(target.name)
                    target.blocking.add(sender.name)
        return message.id, error

    def post(self, message: Message, to: str, refused: str | None = None) -> str | None:
        """Put a message into the mailbox of `to`, or among the dead letters: then why."""
        target = self.actors.get(to)
        error = refused or self._why_not(target, to, message)
        is_close = message.kind == CHANNEL_CLOSE  # taken by a full mailbox too: there is but one
        if error is None and target is not None and not is_close and target.mailbox.refuses():
            error = f"mailbox-full: {to} has {target.mailbox.messages} messages waiting"
            self.batch.count("mailbox_full")
        self._message_row(message, target, to, dead=error is not None)
        if error is not None:
            self.dead_letter(message, to, None, error, None, None)
        else:
            assert target is not None
            self._put(target, message)
        return error

    def deliver_from_client(
        self, to: str, body: bytes, kind: str, client: str
    ) -> tuple[int, str | None]:
        """As `deliver`, but what cannot be taken becomes no row: the client is told."""
        message = Message(self.next_message, kind, None, None, None, client, body)
        id, error = self._deliver_or_refuse(message, to)
        if error is not None and error.startswith("mailbox-full:"):
            self.batch.count("clients_refused")
        return id, error

    def deliver_again(self, dead: Message, to: str) -> tuple[int, str | None]:
        """As `deliver_from_client`: a new message like one that is dead, from whom that was.

        Of a client's own it has no id: that client has had its error, and waits no more.
        """
        message = replace(dead, id=self.next_message, client=None, deliveries=0)
        if dead.kind == CHANNEL_MESSAGE and not self._is_open(dead.channel, to):
            return 0, f"refused: channel {dead.channel} is closed"
        target = self.actors.get(to)
        if dead.kind == LOOP and target is not None:
            error = rounds.why_not_again(target)
            if error is not None:
                return 0, error
        id, error = self._deliver_or_refuse(message, to)
        if error is None and target is not None:
            if message.kind == LOOP:
                rounds.again(target, message)
            elif message.sender is not None and message.kind not in children.KINDS:
                self.know_sender(target, message.sender)
        return id, error

    def _is_open(self, channel: str | None, to: str) -> bool:
        target = self.actors.get(to)
        found = target.channels.get(channel or "") if target is not None else None
        return found is not None and not found.closed

    def _deliver_or_refuse(self, message: Message, to: str) -> tuple[int, str | None]:
        target, size = self.actors.get(to), len(message.body)
        error = self._why_not(target, to, message)
        if size > self.message_max:
            error = f"too-large: {size} bytes; a message has at most {self.message_max}"
        elif error is None and target is not None and target.mailbox.is_full():
            error = f"mailbox-full: {to} has {target.mailbox.messages} messages waiting"
        if error is not None or target is None:
            return 0, error
        self._message_row(message, target, to, dead=False)
        self._put(target, message)
        return message.id, None

    def put_tick(self, target: Actor, timer: str) -> int:
        """A timer of this name has gone off. A full mailbox takes its tick too: there is but one of
        each timer. Returns the id of the message."""
        message = Message(self.next_message, TICK, None, None, None, None, timer.encode())
        self.put_in(message, target)
        return message.id

    def take_out(self, target: Actor, message: int, size: int) -> None:
        """Its timer is cleared, or its loop has ended, and no worker has it."""
        target.mailbox.take_out(message, size)
        self.batch.consumed.append(("cleared", None, message))
        if not target.mailbox.is_full():
            self.unblock(target)

    def _why_not(self, target: Actor | None, to: str, message: Message) -> str | None:
        kind = message.kind
        if target is None or target.phase == "removed":
            return f"no-actor: there is no actor {quoted(to)}"
        # That a channel has been closed one that is stopped learns when it is started again.
        if not target.takes_messages() and not self.closing and kind != CHANNEL_CLOSE:
            return f"stopped: {to} is {target.phase}"
        if kind == CALL:
            return rpc.why_not(target, message.body)
        if kind not in target.settings.takes:
            return f"refused: {to} does not export {CALLS[kind][1]}"
        return None

    def know_sender(self, target: Actor, sender: str) -> None:
        """Whoever has sent to an actor may be answered by it."""
        if sender not in target.senders:
            target.senders.add(sender)
            self.batch.senders.append((target.id, sender))
            self.out.append(ToWorker(target, ("sender", sender)))

    def put_in(self, message: Message, target: Actor) -> None:
        """A message that nobody has sent: a full mailbox takes it too. Whoever makes it sees to it
        that there are not many."""
        self._message_row(message, target, target.name, dead=False)
        self._put(target, message)

    def _put(self, target: Actor, message: Message) -> None:
        target.mailbox.put(message)
        self.touched[target.name] = target

    def _message_row(self, message: Message, target: Actor | None, to: str, dead: bool) -> None:
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
                message.sender_id,
                message.sender_turn,
                message.sender_index,
                message.client,
                len(message.body),
                body,
                message.body_hash,
                "dead" if dead else "queued",
                self.at,
                message.channel,
            )
        )
        self.next_message += 1

    def consume(self, actor: Actor, handed: Handed, status: str) -> None:
        message = handed.message
        assert message is not None
        actor.mailbox.consumed(message)
        self.batch.consumed.append((status, handed.turn, message.id))
        if handed.kind == CHANNEL_CLOSE:
            channels.told(self, actor, message.channel)
        elif handed.kind == children.EVENT:
            children.consumed(self, actor, message)
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
