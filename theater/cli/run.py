"""`theater run`: one actor in the foreground; a message a line, its answers, and what befalls it.

Answers go to stdout; what the actor says and what happens to it goes to stderr, as `up` tells it.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theater.cli import solo
from theater.cli.orderly import ended_in_order
from theater.cli.page import Page
from theater.cli.place import Place, Usage, shown_path
from theater.cli.status import number_of
from theater.cli.story import DeadLetters, Line, Mark, Story
from theater.cli.terminal import DIM, Terminal
from theater.cli.up import end_of_log
from theater.errors import NotDelivered, NotRunning, TheaterError
from theater.linkage import takes
from theater.masked import masked
from theater.paths import DataPaths
from theater.values import visible

if TYPE_CHECKING:
    from theater.client import LogReader, System

LOOK_S = 2.0  # the log is looked at this often even if nobody says that it has grown
LINE_MAX = 64 * 1024 * 1024  # bytes without a line's end
# An interval is no reason to go on for ever, and neither is a loop.
SETTLED = "SELECT 1 FROM messages WHERE status = 'queued' AND kind NOT IN ('tick', 'loop') LIMIT 1"
OVER = ("stopped", "failed")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the options say."""

    messages: list[str]
    ask: bool | None = None  # a message is a request; None: if it can be
    timeout_s: float = 30.0


def run(terminal: Terminal, place: Place, path: Path | None, wishes: Wishes) -> int:
    """The exit code: 0 if nothing has failed."""
    if place.is_run:
        raise Usage(f"{place.data} is a recorded run: theater replay runs it once more")
    if path is not None and place.manifest is not None:
        raise Usage("give either PATH or --manifest FILE")
    with ended_in_order(), _directory() as made_in:
        what = solo.find(place, path, made_in, terminal.progress)
        session = Session(terminal, what, place.data, made_in, wishes)
        before = signal.signal(signal.SIGINT, session.on_key)
        try:
            session.start()
            session.converse()
        finally:
            session.end()
            signal.signal(signal.SIGINT, before)
        if session.interrupted:
            raise KeyboardInterrupt
        return session.code()


@contextlib.contextmanager
def _directory() -> Iterator[str]:
    """For what is made up and what is not kept; gone at the end."""
    with masked():
        made = tempfile.TemporaryDirectory(prefix="theater-solo-", ignore_cleanup_errors=True)
    with made as path:
        yield path


class Session:
    """One actor, as long as we talk to it."""

    def __init__(
        self, terminal: Terminal, what: solo.Solo, kept: Path | None, made_in: str, wishes: Wishes
    ) -> None:
        """`kept`: the data directory that stays; else one in `made_in`, which does not."""
        self._terminal = terminal
        self._what = what
        self._kept = kept is not None
        self._data = os.path.join(made_in, "data") if kept is None else str(kept)
        self._wishes = wishes
        self._system: System | None = None
        self._log: LogReader | None = None
        self._story: Story | None = None
        self._letters: DeadLetters | None = None
        self._page = Page(terminal.err, [what.actor])
        self._after = self._last_letter = 0
        self._asks = False
        self._failed = False
        self._told_bad = 0  # lines about something that went wrong
        self._hinted = False
        self._over = False
        self._ending = False
        self.interrupted = False
        self._interactive = not wishes.messages and sys.stdin.isatty()
        self._prompt = f"{what.actor}> " if self._interactive and terminal.err.movable else ""
        self._prompted = False

    # The beginning

    def start(self) -> None:
        from theater.client import System

        # What an earlier run has told is not news.
        self._after, self._last_letter = end_of_log(DataPaths(os.path.realpath(self._data)).log)
        try:
            self._system = System.start(self._what.manifest, self._data, self._on_event)
        except TheaterError:
            self._open_log()
            self._news(hint=False)
            raise
        self._open_log()
        exports = self._exports()
        takes_requests = takes(exports, "handle-request")
        self._asks = takes_requests if self._wishes.ask is None else self._wishes.ask
        self._introduce(takes_requests or takes(exports, "handle-send"))
        self._news()

    def _on_event(self, event: dict[str, Any]) -> None:
        if event["event"] == "progress":
            self._terminal.progress(event["text"])
        elif event["event"] == "starting":
            self._terminal.progress(f"starting {event['actor']} ...", passing=True)

    def _exports(self) -> dict[str, Any]:
        from theater.supervisor.cache import look

        artifact = look(self._what.component)
        return {} if artifact is None else artifact.exports

    def _introduce(self, takes_messages: bool) -> None:
        actor, granted = self._what.actor, self._what.granted
        words = [f"{actor} is running"]
        if granted is not None:
            words.append(f"granted: {', '.join(granted) or 'nothing'}")
        if self._interactive:
            how = "each line is a request" if self._asks else "each line is sent to it"
            words.append(f"{how}, Ctrl-D ends it" if takes_messages else "Ctrl-D ends it")
        if granted is not None or self._interactive:
            self._terminal.note("; ".join(words), DIM)

    def _open_log(self) -> None:
        from theater.client.reader import LogReader

        path = DataPaths(os.path.realpath(self._data)).log
        if os.path.exists(path):
            self._log = LogReader(path)
            self._story = Story(self._log)
            self._letters = DeadLetters(self._log, self._last_letter)

    # Messages

    def converse(self) -> None:
        """Until there is nothing more to say, or nobody left to hear it."""
        messages = [os.fsencode(message) for message in self._wishes.messages]
        with contextlib.suppress(NotRunning):
            while messages and not self._over:
                self._say(messages[0])
                del messages[0]
            if not self._wishes.messages:
                for line in self._lines():
                    self._say(line)
                    if self._over:
                        break
            self._settle()
        if messages:
            self._failed = True
            left = number_of(len(messages), "message")
            self._terminal.note(f"{left} not given to it, because it has ended")

    def _say(self, message: bytes) -> None:
        assert self._system is not None
        bad = self._told_bad
        try:
            if self._asks:
                answer = self._system.request(self._what.actor, message, self._wishes.timeout_s)
                self._news()
                self._show(answer)
            else:
                self._system.send(self._what.actor, message)
                self._news()
        except NotDelivered as error:
            self._failed = True
            self._news(hint=False)
            self._clear_prompt()
            if self._told_bad == bad or not str(error).startswith("failed: "):
                self._terminal.error(str(error))
            self._hint()
            if "takes no requests" in str(error):
                self._terminal.note("with --send a line is sent, and not a request", DIM)

    def _show(self, answer: bytes) -> None:
        self._clear_prompt()
        if self._terminal.out.is_terminal:
            shown = visible(answer.decode(errors="backslashreplace"), keep="\n\t")
            self._terminal.print(shown.removesuffix("\n"))
            self._terminal.flush()
        else:
            self._terminal.write(answer if answer.endswith(b"\n") else answer + b"\n")

    def _lines(self) -> Iterator[bytes]:
        """What is typed or piped, until its end; meanwhile what happens is told."""
        assert self._system is not None
        buffer = b""
        while not self._over:
            self._show_prompt()
            if 0 not in self._system.wait(LOOK_S, [0]):
                self._news()
                continue
            data = os.read(0, 1 << 16)
            self._prompted = False
            *lines, buffer = (buffer + data).split(b"\n")
            if not data:
                if self._interactive:
                    self._terminal.say("")  # after the prompt
                if buffer:
                    yield buffer
                return
            if len(buffer) > LINE_MAX:
                raise TheaterError(f"a line of more than {LINE_MAX:,} bytes is no message")
            for line in lines:
                if line or not self._interactive:
                    yield line
                if self._over:
                    return

    def _show_prompt(self) -> None:
        if self._prompt and not self._prompted:
            self._terminal.flush()
            self._terminal.err.file.write(self._terminal.err.style(self._prompt, DIM))
            self._terminal.err.file.flush()
            self._prompted = True

    def _clear_prompt(self) -> None:
        """Also where it was shown again just after a line was typed: who types does not wait."""
        if self._prompt:
            self._terminal.err.file.write("\r\x1b[K")
            self._terminal.err.file.flush()
            self._prompted = False

    def _settle(self) -> None:
        """Until no message waits or is being handled: one is done with the commit of its turn."""
        assert self._system is not None and self._log is not None
        while not self._over:
            self._news()
            if not self._log.query(SETTLED):
                return
            self._system.wait(LOOK_S)

    # What happens

    def _news(self, hint: bool = True) -> None:
        if self._log is None or self._story is None or self._letters is None:
            return
        bad, ended = self._told_bad, False
        for row in self._log.events(self._after):
            self._after = row.seq
            for line in self._story.tell(row):
                ended = ended or line.mark is not Mark.SAID
                self._tell(line)
        for line in self._letters.news():
            self._tell(line)
        if ended:
            self._look()
        if hint and self._told_bad > bad:
            self._hint()

    def _tell(self, line: Line) -> None:
        if line.mark is Mark.BAD:
            self._told_bad += 1
            self._failed = True
        elif line.mark is Mark.LIFE and line.text.startswith(
            ("started: ", "restarting ", "going ")
        ):
            return
        self._clear_prompt()
        for text in self._page.lines(line):
            self._terminal.say(text)

    def _look(self) -> None:
        """Whether it has ended for good."""
        if self._system is None:
            return
        with contextlib.suppress(NotRunning):
            row = self._system.actor(self._what.actor)
            self._over = row["status"] in OVER
            return
        self._over = True

    def _hint(self) -> None:
        """Once: what is behind it is in the log, as long as that is there."""
        if self._hinted or not self._told_bad:
            return
        self._hinted = True
        actor = shlex.quote(self._what.actor)
        if self._kept or self._interactive:
            data = shlex.quote(shown_path(self._data) if self._kept else self._data)
            when = "" if self._kept else ", while this one runs,"
            text = f"`theater why {actor} --data {data}`{when} tells all of it"
        else:
            text = (
                f"with --data DIR it is kept, and `theater why {actor} --data DIR` tells all of it"
            )
        self._terminal.note(text, DIM)

    # The end

    def end(self) -> None:
        """In order. Whatever is pressed meanwhile, `on_key` does not raise."""
        self._ending = True
        system = self._system
        if system is not None:
            if self.interrupted and self._terminal.err.is_terminal:
                self._terminal.note("\nstopping it ... (Ctrl-C again kills)")
            system.close()
            self._system = None
            self._news(hint=False)
            if system.ended is not None:
                self._failed = True
                self._terminal.error(system.ended)
        if self._log is not None:
            self._log.close()

    def on_key(self, _number: int, _frame: Any) -> None:
        """Ctrl-C: the first ends what we do, in order; another kills."""
        if not self.interrupted and not self._ending:
            self.interrupted = True
            raise KeyboardInterrupt
        self.interrupted = True
        if self._system is None:
            raise KeyboardInterrupt
        self._terminal.note("killing it ...")
        with contextlib.suppress(TheaterError, OSError):
            self._system.down(kill=True, timeout_s=0.0)

    def code(self) -> int:
        return 1 if self._failed else 0
