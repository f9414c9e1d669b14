"""What can go wrong, whose fault it is, and the exit code the command line gives it."""

from __future__ import annotations

from dataclasses import dataclass


class TheaterError(Exception):
    """Something a person can act on. `str()` is one or more lines ready to print."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong at one place of a manifest."""

    path: str  # the TOML path: child[2].restart; "" for the file as a whole
    message: str  # what was found, what is allowed, what to do

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class ManifestError(TheaterError):
    """The manifest cannot be used as written. Fix the keys named and run again."""

    exit_code = 3

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self.file = file
        self.problems = problems
        super().__init__("\n".join(f"{file}: {problem}" for problem in problems))


class ComponentError(TheaterError):
    """A component cannot be read, compiled or linked."""

    exit_code = 3


class NotRunning(TheaterError):
    """No system is running on this data directory."""

    exit_code = 4


class EnvironmentProblem(TheaterError):
    """The machine does not give what is needed: disk, permission, kernel."""

    exit_code = 6


class Damaged(TheaterError):
    """What was recorded has been changed, or is not there any more."""

    exit_code = 7


class Refused(TheaterError):
    """The running system understood the wish and said no; the text says why.

    `code` is the word OTP's supervisor has for it (`running`, `not_found`, ...), "" if none.
    """

    def __init__(self, text: str, code: str = "") -> None:
        self.code = code
        super().__init__(text)


class NotDelivered(TheaterError):
    """A message or request got an error for an answer. The first word names its kind."""


class ProtocolError(TheaterError):
    """A peer sent what the protocol does not allow; its connection or process ends."""
