"""Each thing that must hold of a log, broken in the one way that its check has to notice."""

from __future__ import annotations

import re

import pytest

from tests.fsck.conftest import Damaged

A = "(SELECT id FROM actors WHERE name = 'a')"
B = "(SELECT id FROM actors WHERE name = 'b')"
GATE = "(SELECT id FROM actors WHERE name = 'gate')"
KEEPER = "(SELECT id FROM actors WHERE name = 'keeper')"
ASKER = "(SELECT id FROM actors WHERE name = 'asker')"
BUSY = "(SELECT id FROM actors WHERE name = 'busy')"
LAST = "(SELECT max(seq) FROM events)"
H = "[0-9a-f]{16}"  # a hash as it is shown
NOTHING = "zeroblob(32)"


def test_the_log_of_a_real_run_is_whole(damaged: Damaged) -> None:
    found, summary = damaged.check()
    assert found == []
    assert (summary.actors, summary.went_on) == (14, False)
    assert summary.events == damaged.one("SELECT count(*) FROM events")
    assert summary.contents == damaged.one("SELECT count(*) FROM blobs")


# (statements, what has to be told, how many lines at most)
CHAINS = {
    "a hash": (
        f"UPDATE events SET hash = {NOTHING} WHERE actor = {A} AND position = 4",
        f"^a, position 4, seq [0-9]+: hash 0{{16}}; should be {H}, the SHA-256 of",
    ),
    "a hash that is no bytes": (
        f"UPDATE events SET hash = 'abc' WHERE actor = {A} AND position = 4",
        '^a, position 4, seq [0-9]+: hash is text "abc"; should be bytes$',
    ),
    "bytes": (
        f"UPDATE events SET bytes = CAST(bytes || x'00' AS BLOB)"
        f" WHERE actor = {A} AND position = 4",
        "^a, position 4, seq [0-9]+: bytes are not an event: .*; should be an event$",
    ),
    "bytes of another event": (
        f"UPDATE events SET bytes = (SELECT bytes FROM events WHERE actor = {A} AND position = 5)"
        f" WHERE actor = {A} AND position = 4",
        f"^a, position 4, seq [0-9]+: hash {H}; should be {H}",
    ),
    "an actor's chain": (
        f"UPDATE events SET actor = 99 WHERE actor = {A}",
        "^events: of an actor 99; should be of one there is$",
    ),
    "the incarnation": (
        f"UPDATE events SET incarnation = 7 WHERE actor = {A} AND position = 4",
        "^a, position 4, seq [0-9]+: column incarnation is 7; should be 1, as in bytes$",
    ),
    "the turn": (
        f"UPDATE events SET turn = 7 WHERE actor = {A} AND position = 4",
        "^a, position 4, seq [0-9]+: column turn is 7; should be 1, as in bytes$",
    ),
    "the index": (
        f"UPDATE events SET idx = 7 WHERE actor = {A} AND position = 4",
        "^a, position 4, seq [0-9]+: column idx is 7; should be 2, as in bytes$",
    ),
    "the type": (
        f"UPDATE events SET type = 'log' WHERE actor = {A} AND position = 4",
        '^a, position 4, seq [0-9]+: column type is "log"; should be "wasm-result", as in bytes$',
    ),
    "the function": (
        f"UPDATE events SET function = 'x' WHERE actor = {A} AND position = 4",
        '^a, position 4, seq [0-9]+: column function is "x"; should be "init", as in bytes$',
    ),
    "a log line": (
        "UPDATE events SET line = 'another line' WHERE line = 'a line'",
        'column line is "another line"; should be "a line", as in bytes$',
    ),
    "a log line that is none": (
        f"UPDATE events SET line = 'more' WHERE actor = {A} AND position = 4",
        'column line is "more"; should be none, as in bytes$',
    ),
    "a missing event": (
        f"DELETE FROM events WHERE actor = {A} AND position = 6",
        "^a, position 7, seq [0-9]+: it comes next, position 6 is missing; should be no gap$",
    ),
    "missing events": (
        f"DELETE FROM events WHERE actor = {A} AND position BETWEEN 6 AND 8",
        "^a, position 9, seq [0-9]+: it comes next, position 6 to 8 is missing; should be no gap$",
    ),
    "a missing first event": (
        f"DELETE FROM events WHERE actor = {A} AND position = 0",
        "^a, position 1, seq [0-9]+: it comes next, position 0 is missing; should be no gap$",
    ),
    "a missing number": (
        f"DELETE FROM events WHERE seq = {LAST} - 1",
        "^seq [0-9]+: it is missing; should be no gap$",
    ),
    "the order of commits": (
        f"UPDATE events SET seq = -1 WHERE actor = {A} AND position = 4",
        "^a, position 4, seq -1: it comes after seq [0-9]+; should be in the order of commits$",
    ),
}

CONTENTS = {
    "a state": (
        f"DELETE FROM blobs WHERE hash = (SELECT state FROM turns WHERE actor = {KEEPER}"
        " AND turn = 2)",
        f"^keeper, (position|turn) [0-9]+: its content {H} is not there; should be in blobs$",
    ),
    "the initial state": (
        f"DELETE FROM blobs WHERE hash = (SELECT state FROM turns WHERE actor = {KEEPER}"
        " AND turn = 1)",
        f"^keeper, turn 1: its content {H} is not there; should be in blobs$",
    ),
    "a message": (
        "DELETE FROM blobs WHERE hash = (SELECT body_hash FROM messages WHERE body_hash NOT NULL)",
        f"its content {H} is not there; should be in blobs$",
    ),
    "a state of a dead letter": (
        f"UPDATE dead_letters SET state = {NOTHING} WHERE turn IS NULL AND id = 7",
        "^dead letter 7: its content 0{16} is not there; should be in blobs$",
    ),
    "bytes": (
        "UPDATE blobs SET bytes = CAST(bytes || x'00' AS BLOB) WHERE rowid = 2",
        f"^content {H}: its bytes have hash {H}; should be its hash$",
    ),
    "no bytes": (
        "UPDATE blobs SET bytes = 'text' WHERE rowid = 2",
        f"^blobs: row 2 holds text under {H}; should be bytes under their hash$",
    ),
}

EVIDENCE = {
    "its hash": (
        f"UPDATE evidence SET hash = {NOTHING} WHERE id = 3",
        f"^gate, turn 2, evidence 3: its events have hash {H}; should be 0{{16}}, as in its row$",
    ),
    "not that of the chain": (
        f"UPDATE evidence SET hash = {NOTHING} WHERE id = 3",
        f"^gate, turn 2, position [0-9]+, seq [0-9]+: evidence 3 has hash 0{{16}};"
        f" should be {H}, as is chained$",
    ),
    "its events": (
        "UPDATE evidence SET events = CAST(events || x'00' AS BLOB) WHERE id = 3",
        f"^gate, turn 2, evidence 3: its events have hash {H}; should be {H}, as in its row$",
    ),
    "its turn": (
        "UPDATE evidence SET turn = 9 WHERE id = 3",
        "^gate, turn 2, .*: evidence 3 is of turn 9, incarnation 1; should be of turn 2,"
        " incarnation 1$",
    ),
    "missing": (
        "DELETE FROM evidence WHERE id = 3",
        f"^gate, turn 2, .*: its evidence {H} is not there; should be in evidence$",
    ),
    "missing by its number": (
        "DELETE FROM evidence WHERE id = 3",
        "^evidence 3: it is missing; should be no gap$",
    ),
    "more than is chained": (
        "INSERT INTO evidence SELECT (SELECT max(id) + 1 FROM evidence), actor, incarnation, turn,"
        f" events, hash, at FROM evidence WHERE actor = {GATE} ORDER BY id DESC LIMIT 1",
        "^gate, evidence [0-9]+: is chained in no turn-failed; should be in one$",
    ),
}

LETTERS = {
    "no message": (
        "UPDATE dead_letters SET message = 999 WHERE id = 3",
        "^dead letter 3: its message 999 is not there; should be in messages$",
    ),
    "none": (
        "DELETE FROM dead_letters WHERE id = 3",
        "^message [0-9]+: it is dead, and there is no dead letter; should be one$",
    ),
    "none by its number": (
        "DELETE FROM dead_letters WHERE id = 3",
        "^dead letter 3: it is missing; should be no gap$",
    ),
    "two of one": (
        "UPDATE dead_letters SET message = (SELECT message FROM dead_letters WHERE id = 1),"
        " actor = (SELECT actor FROM dead_letters WHERE id = 1) WHERE id = 2",
        "^dead letter 2: message [0-9]+ has another one; should be one for each$",
    ),
    "of a message that lives": (
        "UPDATE dead_letters SET message = 1 WHERE id = 2",
        '^dead letter 2: its message 1 is "done"; should be dead$',
    ),
    "for another": (
        "UPDATE dead_letters SET actor = 'b' WHERE id = 1",
        '^dead letter 1: for "b", and message [0-9]+ is to "nobody"; should be the same$',
    ),
    "of another turn": (
        "UPDATE dead_letters SET turn = 1 WHERE actor = 'gate' AND id = 4",
        "^dead letter 4: turn is 1, and of message [0-9]+ 2; should be the same$",
    ),
    "of no turn": (
        "UPDATE dead_letters SET turn = 99 WHERE id = 4",
        '^dead letter 4: its turn 99 of "gate" is not there; should be in turns$',
    ),
    "without evidence": (
        "UPDATE dead_letters SET evidence = 99 WHERE id = 4",
        "^dead letter 4: its evidence 99 is not there; should be in evidence$",
    ),
    "with another's evidence": (
        "UPDATE dead_letters SET evidence = 1 WHERE id = 4",
        '^dead letter 4: its evidence 1 is of "keeper", turn 3; should be of its own turn$',
    ),
    "its state": (
        "UPDATE dead_letters SET state = NULL WHERE actor = 'keeper'",
        f"^dead letter 3: state is none; should be {H}, as in its turn$",
    ),
    "its reason": (
        "UPDATE dead_letters SET reason = 'bad luck' WHERE id = 3",
        '^dead letter 3: reason is "bad luck"; should be "err: no tea", as in its turn$',
    ),
    "retried into another message": (
        "UPDATE dead_letters SET again = 1 WHERE status = 'retried'",
        '^dead letter 4: it is "retried", as message 1; should be retried, as message [0-9]+, as is'
        " chained",
    ),
    "dropped, and nobody did": (
        "UPDATE dead_letters SET status = 'dropped', client = 'x', decided_at = 1.0 WHERE id = 1",
        "^dead letter 1: it is dropped, and that is not chained; should be a dead-letter event$",
    ),
    "open again": (
        "UPDATE dead_letters SET status = 'open' WHERE status = 'dropped'",
        '^dead letter 5: it is "open", as message none; should be dropped, as message none, as is',
    ),
    "no such status": (
        "UPDATE dead_letters SET status = 'lost' WHERE id = 1",
        '^dead letter 1: status is "lost"; should be open, retried, dropped$',
    ),
}

TURNS = {
    "not done": (
        f"UPDATE turns SET status = 'failed' WHERE actor = {A} AND turn = 3",
        '^a, turn 3: status is "failed" in turns; should be done: its result is chained$',
    ),
    "open": (
        f"UPDATE turns SET status = 'open' WHERE actor = {A} AND turn = 3",
        '^a, turn 3: status is "open" in turns; should be done: its result is chained$',
    ),
    "done, and is open": (
        "UPDATE turns SET status = 'done' WHERE status = 'open'",
        '^asker, turn 3: status is "done" in turns; should be open: a step is chained, and no end$',
    ),
    "done, and was set aside": (
        f"UPDATE turns SET status = 'done' WHERE actor = {ASKER} AND turn = 2",
        '^asker, turn 2: status is "done" in turns; should be failed: its failure is chained$',
    ),
    "done, and has not begun": (
        "UPDATE turns SET status = 'done' WHERE status = 'waiting'",
        '^busy, turn 2: status is "done" in turns; should be failed or waiting: no step is chained',
    ),
    "done, and was renumbered": (
        "UPDATE turns SET status = 'done' WHERE status = 'renumbered'",
        '^anew, turn 2: status is "done" in turns; should be failed or renumbered: its actor began',
    ),
    "failed, and its message waits": (
        "UPDATE turns SET status = 'failed' WHERE status = 'renumbered'",
        '^anew, turn 2: its message [0-9]+ is "queued"; should be dead in it$',
    ),
    "why it was renumbered": (
        "UPDATE turns SET reason = 'x' WHERE status = 'renumbered'",
        '^anew, turn 2: reason is "x" in turns; should be "its actor began anew: ',
    ),
    "deliveries under the number before": (
        "UPDATE turns SET deliveries = 3 WHERE status = 'renumbered'",
        "^anew, turn 2: deliveries is 3 in turns; should be 1 at most, as failures are chained$",
    ),
    "its state": (
        f"UPDATE turns SET state = {NOTHING} WHERE actor = {A} AND turn = 3",
        f"^a, turn 3: state is 0{{16}} in turns; should be {H}, as its result has it$",
    ),
    "its state, which has not changed": (
        f"UPDATE turns SET state = NULL WHERE actor = {KEEPER} AND status = 'failed'",
        f"^keeper, turn 3: state is none in turns; should be {H}, as before the turn$",
    ),
    "its fuel": (
        f"UPDATE turns SET fuel = 1 WHERE actor = {A} AND turn = 3",
        "^a, turn 3: fuel is 1 in turns; should be [0-9]+, as is chained$",
    ),
    "its steps": (
        f"UPDATE turns SET steps = 3 WHERE actor = {A} AND turn = 5",
        "^a, turn 5: steps is 3 in turns; should be 2, as are chained$",
    ),
    "its kind": (
        f"UPDATE turns SET kind = 'send' WHERE actor = {A} AND turn = 5",
        '^a, turn 5: kind is "send" in turns; should be "request"$',
    ),
    "its incarnation": (
        f"UPDATE turns SET incarnation = 3 WHERE actor = {A} AND turn = 5",
        "^a, turn 5: incarnation is 3 in turns; should be 1$",
    ),
    "its deliveries": (
        f"UPDATE turns SET deliveries = 1 WHERE actor = {A} AND turn = 3",
        "^a, turn 3: deliveries is 1 in turns; should be 0 at most, as failures are chained$",
    ),
    "its reason": (
        "UPDATE turns SET reason = 'x' WHERE status = 'waiting'",
        '^busy, turn 2: reason is "x" in turns; should be "the system ended", as is chained$',
    ),
    "a reason": (
        f"UPDATE turns SET reason = 'x' WHERE actor = {A} AND turn = 3",
        '^a, turn 3: reason is "x" in turns; should be none$',
    ),
    "its time": (
        f"UPDATE turns SET at = 1.0 WHERE actor = {A} AND turn = 3",
        "^a, turn 3: at is 1.0 in turns; should be [0-9.]+, as of its last event$",
    ),
    "missing": (
        f"DELETE FROM turns WHERE actor = {A} AND turn = 3",
        "^a, turn 3: no row in turns, and its chain has events of it; should be both$",
    ),
    "one more": (
        f"INSERT INTO turns (actor, turn, kind, status, incarnation, at)"
        f" VALUES ({A}, 99, 'send', 'done', 1, 0.0)",
        '^a, turn 99: a row with status "done", and its chain has nothing of it; should be both$',
    ),
    "of nobody": (
        "INSERT INTO turns (actor, turn, kind, status, incarnation, at)"
        " VALUES (99, 1, 'send', 'done', 1, 0.0)",
        "^turns: of an actor 99; should be of one there is$",
    ),
    "with a text for a number": (
        f"UPDATE turns SET steps = 'many' WHERE actor = {A} AND turn = 3",
        '^a, turns, turn 3: steps is text "many"; should be an integer$',
    ),
    "another message": (
        f"UPDATE turns SET message = 1 WHERE actor = {A} AND turn = 3",
        "^a, turn 3: message 1 after message 1; should be in order, each once$",
    ),
    "another's message": (
        f"UPDATE turns SET message = (SELECT id FROM messages WHERE to_actor = {B} LIMIT 1)"
        f" WHERE actor = {A} AND turn = 4",
        "^a, turn 4: its message [0-9]+ is to another actor; should be to this one$",
    ),
    "no message": (
        f"UPDATE turns SET message = NULL WHERE actor = {A} AND turn = 3",
        "^a, turn 3: no message; should be the one that it handled$",
    ),
    "an actor that was never started": (
        "UPDATE actors SET initialised = 0 WHERE name = 'a'",
        "^a: initialised is 0; should be 1$",
    ),
}

STEPS = {
    "its last event": (
        f"UPDATE steps SET last_event = last_event - 1 WHERE actor = {A} AND turn = 5 AND step = 0",
        "^a, turn 5, position [0-9]+, seq [0-9]+: step 0 ends with event [0-9]+; should be [0-9]+$",
    ),
    "its incarnation": (
        f"UPDATE steps SET incarnation = 9 WHERE actor = {A} AND turn = 5 AND step = 1",
        "^a, turn 5, .*: step 1 is of incarnation 9; should be 1$",
    ),
    "missing": (
        f"DELETE FROM steps WHERE actor = {A} AND turn = 5 AND step = 0",
        "^a, turn 5, .*: no row in steps for what ends here; should be step 0$",
    ),
    "one more": (
        f"INSERT INTO steps VALUES ({A}, 5, 2, 1, 1)",
        "^a, turn 5, step 2: a row in steps, and its chain has none; should be both$",
    ),
}

MESSAGES = {
    "missing": (
        "DELETE FROM messages WHERE id = (SELECT id FROM messages WHERE from_turn NOT NULL)",
        '^turn 5, seq [0-9]+: a request to "b" has no message; should be one in messages$',
    ),
    "missing by its number": (
        "DELETE FROM messages WHERE id = 5",
        "^message 5: it is missing; should be no gap$",
    ),
    "by nobody": (
        "INSERT INTO messages (id, kind, to_actor, to_name, from_actor, from_turn, from_index,"
        " size, body, status, at) SELECT (SELECT max(id) + 1 FROM messages), 'send', to_actor,"
        " to_name, from_actor, from_turn, 77, size, body, 'queued', 0.0 FROM messages"
        " WHERE from_turn NOT NULL AND to_name = 'b' LIMIT 1",
        "^message [0-9]+: no event made it, and no client; should be one of them$",
    ),
    "its receiver's name": (
        "UPDATE messages SET to_name = 'c' WHERE id = 5",
        '^message 5, seq [0-9]+: to_name is "c"; should be "b", as is chained$',
    ),
    "its receiver": (
        f"UPDATE messages SET to_actor = {A} WHERE id = 5",
        '^message 5: to_name is "b"; should be "a", as to_actor says$',
    ),
    "no receiver": (
        "UPDATE messages SET to_actor = NULL WHERE id = 5",
        "^message 5: to_actor is none, and it is done; should be an actor, or it dead$",
    ),
    "its kind": (
        "UPDATE messages SET kind = 'send' WHERE id = 5",
        '^message 5, seq [0-9]+: kind is "send"; should be "request"$',
    ),
    "its body": (
        "UPDATE messages SET body = CAST('echo of' AS BLOB) WHERE id = 5",
        f"^message 5, seq [0-9]+: its body has hash {H}; should be {H}, as is chained$",
    ),
    "its body, as its receiver was given it": (
        "UPDATE messages SET body = CAST('echo ho' AS BLOB) WHERE id = 2",
        '^a, turn 3, .*: called with "echo hi"; should be message 2$',
    ),
    "its size": (
        "UPDATE messages SET size = size + 1 WHERE id = 5",
        "^message 5: size is [0-9]+; should be [0-9]+, up to 1024$",
    ),
    "the size of its content": (
        "UPDATE messages SET size = size + 1 WHERE body_hash NOT NULL",
        "^message 1: size is 2005; should be 2004, as its content$",
    ),
    "no body": (
        "UPDATE messages SET body = NULL WHERE id = 5",
        "^message 5: body and body_hash are both there, or both missing; should be one of them$",
    ),
    "its sender": (
        f"UPDATE messages SET from_actor = {GATE} WHERE id = 5",
        "^message 5: no event made it, and no client; should be one of them$",
    ),
    "a request's name": (
        "UPDATE messages SET from_turn = 9, from_index = 9 WHERE id = 5",
        '^b, turn 2, .*: called with .*a:5:1.*; should be "a:9:9"$',
    ),
    "waits again": (
        "UPDATE messages SET status = 'queued' WHERE id = 5",
        '^b, turn 2: its message 5 is "queued" in turn 2; should be done in it$',
    ),
    "waits, though later ones do not": (
        "UPDATE messages SET status = 'queued', turn = NULL WHERE id = 5",
        "^b: message 5 waits, and message [0-9]+ had its turn; should be in order$",
    ),
    "done by no turn": (
        "UPDATE messages SET turn = NULL WHERE id = 5",
        "^message 5: it is done, and names no turn; should be one$",
    ),
    "done by another's turn": (
        "UPDATE messages SET turn = 3 WHERE id = 5",
        "^message 5: its turn 3 is about message 7; should be this one$",
    ),
    "done by a turn that is none": (
        "UPDATE messages SET turn = 99 WHERE id = 5",
        "^message 5: its turn 99 of b is not there; should be in turns$",
    ),
    "done, though it waits": (
        "UPDATE messages SET status = 'done' WHERE id = (SELECT message FROM turns"
        " WHERE status = 'waiting')",
        '^busy, turn 2: its message [0-9]+ is "done"; should be queued$',
    ),
    "lost": (
        "UPDATE messages SET status = 'lost' WHERE id = 5",
        '^message 5: status is "lost"; should be queued, outstanding, done, dead, cleared$',
    ),
    "in the mailbox of one that is gone": (
        "UPDATE messages SET status = 'queued' WHERE to_name = 'more' AND id ="
        " (SELECT max(id) FROM messages WHERE to_name = 'more')",
        "^message [0-9]+: it waits for an actor that was removed; should be dead$",
    ),
    "its answer": (
        "UPDATE messages SET answer = x'81a26f6bc4026869' WHERE id = 4",
        '^a, turn 5: the answer of message 4 is .*"hi".*; should be its reply, as is chained$',
    ),
    "its large answer": (
        "UPDATE messages SET answer = x'81a26f6bc4026869' WHERE id = 3",
        '^a, turn 4: the answer of message 3 is .*"hi".*; should be its reply, as is chained$',
    ),
    "no answer": (
        "UPDATE messages SET answer = NULL WHERE id = 2",
        "^a, turn 3: the answer of message 2 is none; should be its reply, as is chained$",
    ),
    "another reason": (
        "UPDATE messages SET answer = x'81a3657272a3626164' WHERE status = 'dead' AND client"
        " NOT NULL AND kind = 'request'",
        "^keeper, turn 3: the answer of message [0-9]+ is .*; should be its failure, as is",
    ),
    "an answer to nobody": (
        "UPDATE messages SET answer = x'c0' WHERE id = 5",
        "^message 5: it has an answer; should be none: only a client's request has",
    ),
    "retried as another": (
        "UPDATE messages SET kind = 'request' WHERE id = (SELECT again FROM dead_letters"
        " WHERE again NOT NULL)",
        '^message [0-9]+, seq [0-9]+: kind is "request"; should be "send", as of message [0-9]+,',
    ),
    "a client that is none": (
        "UPDATE messages SET from_turn = 3 WHERE id = 1",
        "^message 1: from_turn or from_index without from_actor; should be all or none$",
    ),
}

ASKS = {
    "open, and was answered": (
        f"UPDATE asks SET status = 'open' WHERE actor = {A} AND turn = 5",
        '^a, turn 5, .*: its ask is "open"; should be "answered", as is chained$',
    ),
    "answered, and is open": (
        "UPDATE asks SET status = 'answered' WHERE status = 'open'",
        '^asker, turn 3, .*: its ask is "answered"; should be open: no answer is chained$',
    ),
    "answered, and was abandoned": (
        "UPDATE asks SET status = 'answered' WHERE status = 'abandoned'",
        '^asker, turn 2, .*: its ask is "answered"; should be abandoned: no answer is chained$',
    ),
    "missing": (
        f"DELETE FROM asks WHERE actor = {A} AND turn = 5",
        "^a, turn 5, .*: no row in asks; should be one for each ask$",
    ),
    "one more": (
        f"INSERT INTO asks (actor, turn, idx, kind, status) VALUES ({A}, 5, 9, 'request', 'open')",
        "^a, turn 5, index 9: a row in asks, and its chain has no ask; should be both$",
    ),
    "its kind": (
        f"UPDATE asks SET kind = 'get-chain' WHERE actor = {A} AND turn = 5",
        '^a, turn 5, .*: kind is "get-chain" in asks; should be "request"$',
    ),
    "its message": (
        f"UPDATE asks SET message = 1 WHERE actor = {A} AND turn = 5",
        "^a, turn 5, .*: its message 1 is of another event; should be of this one$",
    ),
    "no message": (
        f"UPDATE asks SET message = NULL WHERE actor = {A} AND turn = 5",
        "^a, turn 5, .*: a request without a message in asks; should be one: it was no cycle$",
    ),
    "its time": (
        f"UPDATE asks SET timeout_s = NULL WHERE actor = {A} AND turn = 5",
        "^a, turn 5, .*: timeout_s is none in asks; should be a time$",
    ),
    "a message that is not there": (
        f"UPDATE asks SET message = 999 WHERE actor = {A} AND turn = 5",
        "^a, turn 5, .*: its message 999 is not there; should be in messages$",
    ),
}

LIVES = {
    "an incarnation that is missing": (
        f"DELETE FROM incarnations WHERE actor = {A} AND incarnation = 1",
        "^a, position [0-9]+, seq [0-9]+: no row in incarnations; should be one for each start$",
    ),
    "one that nobody started": (
        f"INSERT INTO incarnations (actor, incarnation, started_at) VALUES ({A}, 9, 0.0)",
        "^a, incarnation 9: a row, and its chain has no start; should be both$",
    ),
    "one that was never ready": (
        f"UPDATE incarnations SET ready_at = NULL WHERE actor = {A} AND incarnation = 1",
        "^a, incarnation 1: ready_at is none; should be [0-9.]+, as ready is chained$",
    ),
    "one that has ended": (
        f"UPDATE incarnations SET ended_at = 1.0 WHERE actor = {A} AND incarnation = 2",
        "^a, incarnation 2: ended_at is 1.0; should be none, as no exited is$",
    ),
    "one that has not ended": (
        f"UPDATE incarnations SET ended_at = NULL WHERE actor = {GATE} AND incarnation = 1",
        "^gate, incarnation 1: ended_at is none; should be [0-9.]+, as exited is chained$",
    ),
    "why it has ended": (
        f"UPDATE incarnations SET reason = 'x' WHERE actor = {GATE} AND incarnation = 1",
        '^gate, incarnation 1: reason is "x"; should be "trap: ',
    ),
    "its component": (
        "UPDATE actors SET component = 'c0ffee' WHERE name = 'a'",
        f'^a: component is "c0ffee"; should be "{H}',
    ),
    "its role": (
        "UPDATE actors SET role = 'supervisor' WHERE name = 'a'",
        '^a: role is "supervisor"; should be "actor"$',
    ),
    "whether it is there": (
        "UPDATE actors SET removed_at = 1.0 WHERE name = 'a'",
        "^a: removed_at is 1.0; should be none: it is not removed$",
    ),
    "whether it is gone": (
        "UPDATE actors SET removed_at = NULL WHERE name = 'more'",
        "^more: removed_at is none; should be a time, as removed is chained$",
    ),
    "the phase of one that is gone": (
        "UPDATE actors SET phase = 'running' WHERE name = 'more'",
        '^more: phase is "running"; should be removed$',
    ),
    "a phase that is none": (
        "UPDATE actors SET phase = 'asleep' WHERE name = 'a'",
        '^a: phase is "asleep"; should be one that there is$',
    ),
    "when it was created": (
        "UPDATE actors SET created_at = 1.0 WHERE name = 'a'",
        "^a: created_at is 1.0; should be [0-9.]+, as is chained$",
    ),
    "when it was removed": (
        "UPDATE actors SET removed_at = 1.0 WHERE name = 'more'",
        "^more: removed_at is 1.0; should be [0-9.]+, as is chained$",
    ),
    "when it was ready": (
        f"UPDATE incarnations SET ready_at = 1.0 WHERE actor = {A} AND incarnation = 1",
        "^a, incarnation 1: ready_at is 1.0; should be [0-9.]+, as ready is chained$",
    ),
    "its name": (
        "UPDATE actors SET name = 'z' WHERE name = 'a'",
        '^z, position 0, seq [0-9]+: bytes are of actor "a"; should be "z"$',
    ),
    "a whole actor": (
        "DELETE FROM actors WHERE name = 'busy'",
        "^actor number 5: it is missing; should be no gap$",
    ),
}

OTHERS = {
    "a sender that is missing": (
        f"DELETE FROM senders WHERE actor = {B} AND sender = 'a'",
        '^message 5: "a" is not among the senders of b; should be there$',
    ),
    "a sender that has never sent": (
        f"INSERT INTO senders VALUES ({A}, 'gate')",
        '^senders: a sender "gate" of actor number 2, and no message; should be one$',
    ),
    "the count of dead letters": (
        "UPDATE counters SET value = value + 1 WHERE name = 'dead_letters'",
        "^counters: dead_letters is [0-9]+; should be [0-9]+, as counted$",
    ),
    "the count of timeouts": (
        "DELETE FROM counters WHERE name = 'timeouts'",
        "^counters: timeouts is 0; should be 2, as counted$",
    ),
    "a counter of something else": (
        "INSERT INTO counters VALUES ('tea', 3)",
        '^counters: "tea" is 3; should be a known one, above 0$',
    ),
    "a lost index": (
        "DROP INDEX chain",
        "^events: has lost an index; should be one on actor, position$",
    ),
    "a lost table": ("DROP TABLE asks", "^asks: is missing; should be there$"),
    "a column too many": (
        "ALTER TABLE asks ADD COLUMN more TEXT",
        "^asks: has the columns .* more TEXT; should be actor INTEGER, .*$",
    ),
    "a view for a table": (
        "ALTER TABLE asks RENAME TO old",
        "^asks: is missing; should be there$",
    ),
}

PEN = "(SELECT id FROM actors WHERE name = 'pen')"
INK = "(SELECT id FROM actors WHERE name = 'ink')"
CLOSED_BY_INK = f"status = 'closed' AND closed_by = {INK}"
NEW = "x'81a26f6bc4036e6577'"  # {"ok": b"new"}

CHANNELS = {
    "one that is missing": (
        f"DELETE FROM channels WHERE {CLOSED_BY_INK}",
        '^channel "pen:[0-9]+:1": it was accepted, and has no row; should be one$',
    ),
    "one that is missing, and was closed": (
        f"DELETE FROM channels WHERE {CLOSED_BY_INK}",
        '^channel "pen:[0-9]+:1": it was closed, and has no row; should be one$',
    ),
    "one that nobody opened": (
        f"INSERT INTO channels VALUES ('a:1:1', {A}, {B}, 1, 'open', 1.0, NULL, NULL, NULL, NULL)",
        '^channel "a:1:1": message 1 is "send" .*; should be what opened it, and done$',
    ),
    "one that nobody accepted": (
        f"INSERT INTO channels VALUES ('a:1:1', {A}, {B}, 1, 'open', 1.0, NULL, NULL, NULL, NULL)",
        '^channel "a:1:1": no turn has accepted it; should be one$',
    ),
    "its sides": (
        f"UPDATE channels SET callee = {A} WHERE {CLOSED_BY_INK}",
        "its two sides are not those of what opened it; should be the same$",
    ),
    "its status": (
        f"UPDATE channels SET status = 'ajar' WHERE {CLOSED_BY_INK}",
        'status is "ajar"; should be open or closed$',
    ),
    "a reason that is lost": (
        f"UPDATE channels SET reason = NULL WHERE {CLOSED_BY_INK}",
        "it is closed without a reason or a time; should be both$",
    ),
    "an end of one that is open": (
        "UPDATE channels SET closed_at = 1.0 WHERE status = 'open'",
        "it is open, and has an end; should be none$",
    ),
    "one that a lost turn has opened": (
        "UPDATE turns SET status = 'failed' WHERE kind = 'request' AND turn ="
        " (SELECT m.from_turn FROM channels c JOIN messages m ON m.id = c.message"
        f"  WHERE c.status = 'open') AND actor = {PEN}",
        "it is open, and the turn that opened it was set aside; should be closed$",
    ),
    "one that is open again": (
        "UPDATE channels SET status = 'open', closed_by = NULL, reason = NULL, closed_at = NULL"
        f" WHERE {CLOSED_BY_INK}",
        "it is open, and a side was told of its end; should be nobody$",
    ),
    "one that is closed": (
        f"UPDATE channels SET status = 'closed', closed_by = {PEN}, reason = 'x', closed_at = 1.0"
        " WHERE status = 'open'",
        "nobody was told of its end; should be the other side$",
    ),
    "whoever closed it": (
        f"UPDATE channels SET closed_by = {PEN} WHERE {CLOSED_BY_INK}",
        "1 were told of its end; should be one side, once$",
    ),
    "a stranger who closed it": (
        f"UPDATE channels SET closed_by = {A} WHERE {CLOSED_BY_INK}",
        "it is closed by 2; should be one of its sides, or neither$",
    ),
    "whoever is untold": (
        f"UPDATE channels SET untold = {PEN} WHERE {CLOSED_BY_INK}",
        "untold is [0-9]+, for whom nothing waits; should be none$",
    ),
    "an untold one who closed it": (
        f"UPDATE channels SET untold = {INK} WHERE {CLOSED_BY_INK}",
        "untold is [0-9]+; should be a side that has not closed it, or none$",
    ),
    "what is said on another one": (
        "UPDATE messages SET channel = 'pen:9:9' WHERE id ="
        " (SELECT min(id) FROM messages WHERE kind = 'channel-message')",
        '^message [0-9]+, seq [0-9]+: channel is "pen:9:9"; should be "pen:2:1", as is chained$',
    ),
    "what is said on none": (
        "UPDATE messages SET channel = NULL WHERE id ="
        " (SELECT min(id) FROM messages WHERE kind = 'channel-message')",
        "^message [0-9]+: a channel-message of channel none; should be one if it is on one$",
    ),
    "what is said to somebody else": (
        f"UPDATE messages SET to_name = 'a', to_actor = {A} WHERE id ="
        " (SELECT min(id) FROM messages WHERE kind = 'channel-message')",
        '^message [0-9]+, seq [0-9]+: to_name is "a"; should be "pen", as is chained$',
    ),
    "a send on one": (
        "UPDATE messages SET channel = 'pen:2:1' WHERE id ="
        " (SELECT min(id) FROM messages WHERE kind = 'send')",
        '^message 1: a send of channel "pen:2:1"; should be one if it is on one$',
    ),
}

ANSWERS = {
    "a request that is over for its callee": (
        "UPDATE messages SET status = 'done' WHERE status = 'outstanding' AND client IS NULL",
        "^patient, .*: its ask is open, and message [0-9]+ is done; should be both over, or",
    ),
    "a client's that is over": (
        "UPDATE messages SET status = 'done' WHERE status = 'outstanding' AND client = 'three'",
        "^message [0-9]+: it is done, and its client has no answer; should be one$",
    ),
    "an answer to what is outstanding": (
        f"UPDATE messages SET answer = {NEW} WHERE status = 'outstanding' AND client = 'three'",
        "^message [0-9]+: it has an answer; should be none",
    ),
    "an answer that came later": (
        f"UPDATE messages SET answer = {NEW} WHERE client = 'one'",
        '^ink: request "client:[0-9]+" is answered, as by respond-to-request, with .*; should be',
    ),
    "an answer to what was cancelled": (
        f"UPDATE messages SET answer = {NEW} WHERE client = 'two'",
        '^ink: request "client:[0-9]+" is answered, as by respond-to-request, with .*; should be'
        " as by cancel-request, with none$",
    ),
    "an answer that came at once": (
        f"UPDATE messages SET answer = {NEW} WHERE id ="
        f" (SELECT min(id) FROM messages WHERE to_actor = {INK} AND client IS NOT NULL)",
        "^ink, turn 2: the answer of message [0-9]+ is .*; should be its reply, as is chained$",
    ),
    "a send that is outstanding": (
        "UPDATE messages SET status = 'outstanding' WHERE id ="
        " (SELECT min(id) FROM messages WHERE kind = 'send')",
        "^message 1: a send is outstanding; should be a request, to an actor that is there$",
    ),
}

L = "store = 's' AND label = 'l'"
STORES = {
    "a content": (
        "DELETE FROM contents WHERE store = 's' AND size = 3000",
        f'^store "s", content {H}: it was put there at seq [0-9]+, and has no row; should be in',
    ),
    "a content's size": (
        "UPDATE contents SET size = 7 WHERE store = 's' AND size = 3000",
        f'^store "s", content {H}: size is 7; should be 3000, as is chained$',
    ),
    "a content's call": (
        "UPDATE contents SET seq = seq + 1 WHERE store = 's' AND size = 3000",
        f'^store "s", content {H}: seq is [0-9]+; should be [0-9]+, as is chained$',
    ),
    "a content's store": (
        "UPDATE contents SET store = 't' WHERE store = 's' AND size = 3000",
        f'^store "t", content {H}: no call has put it there; should be one$',
    ),
    "a content that nobody put there": (
        f"INSERT INTO contents VALUES ('s', {NOTHING}, 1, 9)",
        '^store "s", content 0{16}: no call has put it there; should be one$',
    ),
    "a content that is no bytes": (
        "UPDATE contents SET hash = 'abc' WHERE store = 's' AND size = 3000",
        '^contents: hash is text "abc"; should be bytes$',
    ),
    "a label": (
        f"DELETE FROM labels WHERE {L}",
        '^store "s", label "l": it was put there at seq [0-9]+, and has no row; should be in lab',
    ),
    "what a label names": (
        f"UPDATE labels SET hash = {NOTHING} WHERE {L}",
        f'^store "s", label "l": hash is 0{{16}}; should be {H}, as is chained$',
    ),
    "a label's call": (
        f"UPDATE labels SET seq = 1 WHERE {L}",
        '^store "s", label "l": seq is 1; should be [0-9]+, as is chained$',
    ),
    "a label's name": (
        f"UPDATE labels SET label = 'other' WHERE {L}",
        '^store "s", label "other": no call has put it there; should be one$',
    ),
    "a label that went": (
        "INSERT INTO labels SELECT store, 'gone', hash, seq FROM labels WHERE label = 'kept'",
        '^store "s", label "gone": no call has put it there; should be one$',
    ),
    "a label that is no text": (
        f"UPDATE labels SET label = x'00' WHERE {L}",
        "^labels: label is bytes .*; should be a text$",
    ),
    "an ask about a store": (
        "DELETE FROM asks WHERE kind = 'list-labels'",
        "^shelf, turn [0-9]+, .*: no row in asks; should be one for each ask$",
    ),
}

GROUPS = {
    "chain": CHAINS,
    "content": CONTENTS,
    "evidence": EVIDENCE,
    "dead letter": LETTERS,
    "turn": TURNS,
    "step": STEPS,
    "message": MESSAGES,
    "ask": ASKS,
    "channel": CHANNELS,
    "store": STORES,
    "answer": ANSWERS,
    "life": LIVES,
    "other": OTHERS,
}
CASES = [
    pytest.param(sql, expected, id=f"{group}: {name}")
    for group, cases in GROUPS.items()
    for name, (sql, expected) in cases.items()
]
LINES_MAX = 8  # one thing is wrong, so there is not much to tell
MISSED_BY_MANY = ("an actor's chain", "a whole actor", "its name")


@pytest.mark.parametrize(("sql", "expected"), CASES)
def test_what_is_wrong_is_told_with_its_place(
    damaged: Damaged, sql: str, expected: str, request: pytest.FixtureRequest
) -> None:
    damaged.sql(sql)
    found, _ = damaged.check()
    told = "\n".join(found)
    assert any(re.search(expected, line) for line in found), f"not told: {expected}\n{told}"
    if not any(name in request.node.name for name in MISSED_BY_MANY):
        assert len(found) <= LINES_MAX, told
