"""What the actor touches outside, through the interface my:my-interface/lines: a file of lines.

Each method is a function of the interface, with the types that its hints mean.
"""

from pathlib import Path

from theater.handler import Key, Result, read, world


class MyActorHandler:
    """Lines in a file."""

    interface = "my:my-interface/lines"
    file: str = "lines.txt"  # a setting, which theater.toml may say otherwise

    @read
    def last(self, count: int) -> list[str]:
        """The last lines, the newest at the end."""
        return [text for _, text in self._lines()[-count:]] if count > 0 else []

    @world(interrupted="again", timeout_s=5)
    def add(self, text: str, key: Key) -> Result[int]:
        """Add a line: how many there are then. Called again with a key, it adds nothing."""
        lines = self._lines()
        if key not in (known for known, _ in lines):
            with self._path().open("a") as file:
                file.write(f"{key} {' '.join(text.split())}\n")
        return len(self._lines())

    def _path(self) -> Path:
        return Path(__file__).parent / self.file

    def _lines(self) -> list[tuple[str, str]]:
        """Each with the key of the call that has added it."""
        if not self._path().exists():
            return []
        lines = (line.partition(" ") for line in self._path().read_text().splitlines())
        return [(key, text) for key, _, text in lines]
