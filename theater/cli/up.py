"""`theater up`: start a system and hold it, telling what happens; or let it go once it is ready."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from theater.cli.frame import INTERRUPTED
from theater.cli.page import Page
from theater.cli.place import Place, Usage, shown_path
from theater.cli.story import DeadLetters, Mark, Story, last_dead_letter
from theater.cli.terminal import BOLD, RED, Terminal
from theater.cli.watch import Watch
from theater.errors import NotRunning, TheaterError
from theater.paths import DataPaths
from theater.values import visible

if TYPE_CHECKING:
    from theater.client.endpoint import Endpoint
    from theater.client.launch import Launch
    from theater.client.reader import LogReader

LOOK_S = 2.0  # the log is looked at this often even if nobody says that it has grown
STORY_MAX = 20  # lines about a start that failed, when nothing was told before


def up(terminal: Terminal, place: Place, detach: bool, fresh: bool, watch: bool = False) -> int:
    """The exit code. `fresh`: what is in the data directory is put away first."""
    from theater.client.launch import launch

    manifest = place.find_manifest()
    if place.is_run:
        raise Usage(f"{place.data} is a recorded run: theater replay runs it once more")
    data = place.data_directory()
    paths = DataPaths(os.path.realpath(data))
    if watch and detach:
        raise Usage("--watch is for a system that is held in the foreground: leave --detach away")
    session = Session(terminal, paths, detach, (0, 0) if fresh else end_of_log(paths.log))
    if watch:
        session.watch = Watch(manifest, data, session.rouse)
    with _signals(session):
        session.launch = launch(manifest, data, fresh)
        try:
            return session.run()
        finally:
            session.end()


def end_of_log(path: str) -> tuple[int, int]:
    """The last event and dead letter before this run. What is wrong with a log, the run says."""
    from theater.client.reader import LogReader

    with contextlib.suppress(TheaterError):
        log = LogReader(path)
        try:
            return log.last_seq(), last_dead_letter(log)
        finally:
            log.close()
    return 0, 0


class Session:
    """One run of a system, as long as we hold it."""

    launch: Launch
    watch: Watch | None = None

    def __init__(
        self, terminal: Terminal, paths: DataPaths, detach: bool, end_of_log: tuple[int, int]
    ) -> None:
        self._terminal = terminal
        self._paths = paths
        self._detach = detach
        self._after, self._last_dead_letter = end_of_log
        self._started_at = time.monotonic()
        self._endpoint: Endpoint | None = None
        self._log: LogReader | None = None
        self._story: Story | None = None
        self._dead_letters: DeadLetters | None = None
        self._page = Page(terminal.out, [])
        self._ready = False
        self._deaf = False  # nobody reads our output any more
        self._asked: list[int] = []  # signals that asked us to end
        self._answered = 0  # of these, how many the person was told about
        self._last_word: dict[str, Any] | None = None
        self.wake, self.wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    # Signals

    def on_signal(self, number: int, _frame: Any) -> None:
        """Pass it on at once: the main thread may be stuck writing to a pipe nobody reads."""
        self._asked.append(number)
        launch = getattr(self, "launch", None)
        if launch is None or self._asked.count(signal.SIGINT) > 2:
            raise KeyboardInterrupt
        with contextlib.suppress(OSError):
            launch.say("kill" if self._is_kill() else "down")

    def rouse(self) -> None:
        """From another thread: there is something to look at."""
        with contextlib.suppress(OSError):  # it is full, or closed: nobody has to be roused
            os.write(self.wake_write, b"\0")

    def _is_kill(self) -> bool:
        return len(self._asked) > 1 and self._asked[-1] == signal.SIGINT

    def _answer_signals(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self.wake, 64)
        if self._answered == len(self._asked):
            return
        self._answered = len(self._asked)
        if self._is_kill():
            self._note("killing everything ...")
        elif self._asked[0] == signal.SIGINT:
            self._note("stopping in reverse order ... (Ctrl-C again kills)")
        else:
            self._note("stopping in reverse order ...")

    # The loop

    def run(self) -> int:
        while not self.launch.at_end:
            self._wait()
            self._answer_signals()
            for event in self._told():
                if self._take(event):
                    return 0
            self._tell_news()
            self._tell_watch()
        return self._ended()

    def _wait(self) -> None:
        descriptors = [self.launch.fileno(), self.wake]
        if self._endpoint is None:
            select.select(descriptors, [], [])
        else:
            self._endpoint.wait(descriptors, LOOK_S)

    def _told(self) -> Iterator[dict[str, Any]]:
        return self.launch.events(0)

    def _take(self, event: dict[str, Any]) -> bool:
        """One part of root's story. True: the system is on its own now."""
        match event["event"]:
            case "progress":
                self._terminal.progress(event["text"])
            case "archived":
                where = shown_path(event["path"])
                self._note(f"what was there is in {where}; `theater logs --data {where}` reads it")
            case "starting":
                if not self._ready and not self._asked:
                    self._terminal.progress(f"starting {event['actor']} ...", passing=True)
                if self._endpoint is None and not self._detach:
                    self._follow()
            case "ready":
                self._ready = True
                self._tell_news()
                return self._is_ready()
            case "trouble":
                self._note(event["text"], RED)
            case "failed" | "ended":
                self._last_word = event
        return False

    def _is_ready(self) -> bool:
        if self._asked:
            return False
        took_s = time.monotonic() - self._started_at
        count, name = self._count()
        actors = "1 actor is" if count == 1 else f"{count} actors are"
        text = f"{name}: {actors} running, after {took_s:.1f} s"
        if self._detach:
            self.launch.detach()
            self._terminal.note(f"{text}; `theater down` stops it")
            return True
        self._note(f"{text}; Ctrl-C stops it", BOLD)
        if self.watch is not None:
            self.watch.start()
        return False

    def _count(self) -> tuple[int, str]:
        """How many actors run, and the system's name."""
        from theater.client.control import Control
        from theater.supervisor.datadir import runtime_of

        with contextlib.suppress(TheaterError, OSError):
            control = Control(runtime_of(self._paths.directory).control)
            try:
                listing = control.ask("ps", timeout_s=5.0)
            finally:
                control.close()
            running = [row for row in listing["actors"] if row["status"] == "running"]
            return len(running), visible(listing["system"])
        return 0, "the system"

    # The log

    def _follow(self) -> None:
        from theater.client.endpoint import Endpoint
        from theater.supervisor.datadir import runtime_of

        with contextlib.suppress(TheaterError):
            endpoint = Endpoint(runtime_of(self._paths.directory).clients)
            try:
                endpoint.watch()
                self._open_log()
            except BaseException:
                endpoint.close()
                raise
            self._endpoint = endpoint

    def _open_log(self) -> None:
        from theater.client.reader import LogReader

        if self._log is None:
            self._log = LogReader(self._paths.log)
            self._story = Story(self._log)
            self._dead_letters = DeadLetters(self._log, self._last_dead_letter)
            self._page = Page(self._terminal.out, _names(self._log))

    def _tell_news(self) -> None:
        if self._log is None or self._story is None or self._dead_letters is None:
            return
        for row in self._log.events(self._after):
            self._after = row.seq
            for line in self._story.tell(row):
                self._print(self._page.lines(line))
        for line in self._dead_letters.news():
            self._print(self._page.lines(line))
        self._flush()

    def _tell_watch(self) -> None:
        for news in self.watch.news() if self.watch is not None else ():
            if news.kind == "progress":
                self._terminal.progress(news.text)
            else:
                self._note(news.text, *((RED,) if news.kind == "error" else (BOLD,)))

    # Output that may have nobody left to read it

    def _print(self, texts: list[str]) -> None:
        if not self._deaf:
            with self._hearing():
                for text in texts:
                    self._terminal.print(text)

    def _flush(self) -> None:
        if not self._deaf:
            with self._hearing():
                self._terminal.flush()

    def _note(self, message: str, *codes: str) -> None:
        if not self._deaf:
            with self._hearing():
                self._terminal.note(message, *codes)

    @contextlib.contextmanager
    def _hearing(self) -> Iterator[None]:
        """When nobody reads what a foreground system prints, it has nobody left to run for."""
        try:
            yield
        except OSError:
            self._deaf = True
            with contextlib.suppress(OSError):
                self.launch.say("down")

    # The end

    def _ended(self) -> int:
        from theater.client.launch import raise_failure

        self._tell_news()
        last = self._last_word
        if self._deaf:
            raise BrokenPipeError
        if self._asked:
            if last is not None and last["event"] == "ended" and last["failed"]:
                self._note(last["reason"])
            self._note("stopped")
            return INTERRUPTED if signal.SIGINT in self._asked else 0
        if last is None:
            raise self.launch.died()
        if last["event"] == "ended" and not last["failed"]:
            if self._ready:
                self._note("stopped")
                return 0
            raise NotRunning("it was taken down while it started")
        if last["event"] == "ended" and self._log is None:
            self._tell_failed_start()
        raise_failure(last)
        raise AssertionError("an end that is no failure")

    def _tell_failed_start(self) -> None:
        """What was not told because only the end of the start was waited for."""
        with contextlib.suppress(TheaterError):
            self._open_log()
            assert self._log is not None and self._story is not None
            told = [
                line
                for row in self._log.events(self._after)
                for line in self._story.tell(row)
                if line.mark is not Mark.LIFE
            ]
            page = Page(self._terminal.err, _names(self._log))
            for line in told[-STORY_MAX:]:
                for text in page.lines(line):
                    self._terminal.say(text)

    def end(self) -> None:
        """Let go of everything; a system that still runs and is not on its own ends with us."""
        if self.watch is not None:
            self.watch.end()
        with contextlib.suppress(OSError):
            self.launch.socket.close()
        if not (self._detach and self._ready):
            with contextlib.suppress(KeyboardInterrupt):
                self.launch.process.wait()
        if self._endpoint is not None:
            self._endpoint.close()
        if self._log is not None:
            self._log.close()


def _names(log: LogReader) -> list[str]:
    """Everybody a line can be about; actors first, so that they have the first colours."""
    return [*log.present_actors(), *log.supervisors()]


@contextlib.contextmanager
def _signals(session: Session) -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    signal.set_wakeup_fd(session.wake_write, warn_on_full_buffer=False)
    for number in numbers:
        if before[number] is not signal.SIG_IGN:  # nohup theater up
            signal.signal(number, session.on_signal)
    try:
        yield
    finally:
        signal.set_wakeup_fd(-1)
        os.close(session.wake)
        os.close(session.wake_write)
        for number, handler in before.items():
            signal.signal(number, handler)
