"""Hold answers that were given later to the calls that gave them.

A request that its turn did not answer is answered by a call of its callee's in another turn, or in
the same one before it ended. Whoever meets such an answer expects the call; `scratch` keeps both.
"""

from __future__ import annotations

from collections.abc import Callable

from theater.fsck.file import LogFile, Scratch
from theater.fsck.findings import Reports, shown

CLIENT = "client"

TABLES = """
CREATE TABLE responses (request TEXT PRIMARY KEY, function, content) WITHOUT ROWID;
CREATE TABLE expected (request TEXT, function, content, actor);
"""


class Answers:
    def __init__(self, file: LogFile, scratch: Scratch, reports: Reports) -> None:
        self._file = file
        self._scratch = scratch
        self._reports = reports

    def expect(self, actor: str, request: str, function: str, content: bytes | None) -> None:
        """`actor` has seen that this was answered so. `content`: the hash of what was said."""
        row = (request, function, content, actor)
        self._scratch.run("INSERT INTO expected VALUES (?,?,?,?)", row)

    def give(
        self, actor: int, request: str, function: str, content: bytes | None, seq: int
    ) -> None:
        """A call, in the order of commits: the first one counts."""
        row = (request, function, content)
        self._scratch.run("INSERT OR IGNORE INTO responses VALUES (?,?,?)", row)
        callee = self._callee(request)
        if callee != actor:
            found = f"it has answered request {shown(request)}"
            self._reports.wrong(found, "a request that was made to it", seq=seq)

    def _callee(self, request: str) -> object:
        """Whom it was made to; None: it was not made at all."""
        name, _, last = request.rpartition(":")
        asker, _, turn = name.rpartition(":")
        if not _is_number(last) or not (name == CLIENT or _is_number(turn)):
            return None
        if name == CLIENT:
            sql = "SELECT to_actor FROM messages WHERE id = ? AND kind = 'request'"
            row = self._file.one(sql, (int(last),))
        else:
            row = self._file.one(
                "SELECT m.to_actor FROM actors a JOIN asks s ON s.actor = a.id AND s.turn = ?"
                " AND s.idx = ? JOIN messages m ON m.id = s.message WHERE a.name = ?"
                " AND m.kind = 'request'",
                (int(turn), int(last), asker),
            )
        return None if row is None else row[0]

    def check(self, went_on: Callable[[], bool]) -> None:
        for request, function, content, actor, given, said in self._scratch.rows(
            "SELECT e.*, r.function, r.content FROM expected e"
            " LEFT JOIN responses r ON r.request = e.request"
        ):
            where = {"actor": actor} if actor else {}
            what = f"request {shown(request)} is answered, as by {function}"
            if given is None:
                if not went_on():
                    self._reports.wrong(f"{what}, and nobody called it", "a call", **where)
            elif (given, said) != (function, content):
                found = f"{what}, with {shown(content)}"
                self._reports.wrong(found, f"as by {given}, with {shown(said)}", **where)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19
