"""Decide what becomes of channels: who may speak on which, and who is told of its end. Pure.

A channel is open once the turn has committed in which its callee accepted it. Whatever closes it,
a side that has not closed it itself is told once, by a `channel-close` in its mailbox, after
everything that was sent to it before. Until it has handled that it may name the channel, since it
could not know; what it sends then is a dead letter.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from theater.broker.actors import CHANNEL_CLOSE, CHANNEL_MESSAGE, Actor, Channel, Handed
from theater.broker.book import ToWorker
from theater.broker.mailbox import Message
from theater.broker.step import Effect, Step

if TYPE_CHECKING:
    from theater.broker.post import Post
    from theater.broker.turns import Turns

SEND, CLOSE = "send-on-channel", "close-channel"

Row = tuple[str, int, str, int, str, str | None, int | None]


# Opening


def end_turn(turns: Turns, actor: Actor, handed: Handed, step: Step, now_s: float) -> None:
    """The turn has ended that was asked to open a channel."""
    message = handed.message
    assert message is not None and message.channel is not None
    if not step.accepted:
        turns.reply(message, {"err": f"refused: {actor.name} did not accept the channel"}, now_s)
        return
    opener, opener_id = message.sender, message.sender_id
    assert opener is not None and opener_id is not None, "only actors open channels"
    turn = message.sender_turn or 0
    channel = Channel(message.channel, opener, opener_id, actor.name, actor.id, turn)
    turns.batch.channels.append(
        (channel.id, opener_id, actor.id, message.id, turns.at),
    )
    actor.channels[channel.id] = channel
    if not turns.is_awaited(message):
        turns.batch.count("late_answers")
        _close(turns, channel, f"{opener} did not wait for it", actor)
        return
    asker = turns.actors[opener]
    asker.channels[channel.id] = channel
    turns.out.append(ToWorker(asker, ("channel", channel.id, True)))  # before it hears of it
    turns.reply(message, {"ok": channel.id}, now_s)
    if step.reply is not None:
        index = step.events[-1][1].index
        turns.deliver(
            actor, step.turn, index, opener, step.reply, CHANNEL_MESSAGE, channel=channel.id
        )


# What the two do


def send(post: Post, actor: Actor, turn: int, effect: Effect) -> None:
    channel = actor.channels[effect.name]
    refused = f"refused: channel {channel.id} is closed: {channel.closed}"
    post.deliver(
        actor,
        turn,
        effect.index,
        channel.other(actor.name)[0],
        effect.body or b"",
        CHANNEL_MESSAGE,
        channel=channel.id,
        refused=refused if channel.closed else None,
    )


def close(post: Post, actor: Actor, turn: int, effect: Effect) -> None:
    channel = actor.channels.pop(effect.name)
    if channel.closed:  # by the other side too, which has told this one already
        post.batch.channels_told.append((channel.id,))
        return
    other = post.actors[channel.other(actor.name)[0]]
    channel.closed = f"{actor.name} has closed it"
    _, error = post.deliver(
        actor, turn, effect.index, other.name, b"", CHANNEL_CLOSE, channel=channel.id
    )
    _closed(post, channel, actor.id, other, told=error is not None)


def told(post: Post, actor: Actor, id: str | None) -> None:
    """It has handled that this one was closed, or never will."""
    channel = actor.channels.get(id or "")
    if channel is not None and channel.closed:
        del actor.channels[channel.id]
        post.batch.channels_told.append((channel.id,))


# What happens to them


def close_channels(post: Post, actor: Actor, reason: str, turn: int | None = None) -> None:
    """Close all that are open of an actor that goes or begins anew, or that it opened in a turn.

    It has no worker. It is not told: it would not know what of.
    """
    for channel in list(actor.channels.values()):
        opened_elsewhere = turn is not None and (channel.opener, channel.turn) != (actor.name, turn)
        if channel.closed or opened_elsewhere:
            continue
        del actor.channels[channel.id]
        _close(post, channel, reason, post.actors.get(channel.other(actor.name)[0]))


def forget(post: Post, actor: Actor) -> None:
    """It is gone: of what was closed it will not be told."""
    for id in list(actor.channels):
        told(post, actor, id)


def _close(post: Post, channel: Channel, reason: str, other: Actor | None) -> None:
    """Neither of the two has closed it; `other` is told, if it is there."""
    channel.closed = reason
    error: str | None = "nobody is there"
    if other is not None:
        name, id = channel.other(other.name)
        message = Message(
            post.next_message, CHANNEL_CLOSE, name, None, None, None, b"", channel=channel.id
        )
        message.sender_id = id
        error = post.post(message, other.name)
        if error is None:
            post.know_sender(other, name)
    _closed(post, channel, None, other, told=error is not None)


def _closed(post: Post, channel: Channel, by: int | None, other: Actor | None, told: bool) -> None:
    untold = None
    if other is not None:
        post.out.append(ToWorker(other, ("channel", channel.id, False)))
        if told:
            other.channels.pop(channel.id, None)
        else:
            untold = other.id
    post.batch.channels_closed.append((by, channel.closed, untold, post.at, channel.id))


# Start-up


def load(post: Post, rows: Iterable[Row]) -> None:
    """Take up what the log has. Everybody is there who goes on; who is not has been removed."""
    for id, opener_id, opener, callee_id, callee, reason, untold in rows:
        turn = int(id.rsplit(":", 2)[1])
        channel = Channel(id, opener, opener_id, callee, callee_id, turn, reason or "")
        sides = [post.by_id[each] for each in (opener_id, callee_id) if each in post.by_id]
        for actor in sides:
            if not channel.closed or actor.id == untold:
                actor.channels[id] = channel
        if channel.closed:
            if untold not in post.by_id:
                post.batch.channels_told.append((id,))
        elif len(sides) < 2:
            lost = callee if callee_id not in post.by_id else opener
            _close(post, channel, f"{lost} has been removed", sides[0] if sides else None)
