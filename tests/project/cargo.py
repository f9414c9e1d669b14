"""A cargo that builds at once, waits or fails as it is told: all around it is real.

It is a shell script, found by PATH; what it builds is a component of the tests' own.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path

COMPONENTS = Path(__file__).parents[1] / "components"
WAT = "probe.wat"

_CARGO = """#!/bin/sh
[ "$1" = --version ] && echo "cargo $(cat {tools}/version)" && exit
echo "$PWD" >> {tools}/calls
[ -e {tools}/wait ] && echo $$ > {tools}/waits && mkfifo {tools}/never && read _ < {tools}/never
if [ -e {tools}/error ]; then
    echo "   Compiling crate v0.1.0" >&2
    cat {tools}/error >&2
    exit 101
fi
mkdir -p target
[ -e Cargo.lock ] || echo lock > Cargo.lock
cat {component} src/lib.rs > target/crate.wasm
echo "   Compiling crate v0.1.0" >&2
cat <<END
{{"reason":"compiler-artifact","manifest_path":"$PWD/Cargo.toml","filenames":["$PWD/target/crate.wasm"]}}
{{"reason":"build-finished","success":true}}
END
"""


class Cargo:
    """The tools, and a crate for them."""

    def __init__(self, directory: Path) -> None:
        self.tools = directory / "tools"
        self.crate = directory / "crate"
        (self.crate / "src").mkdir(parents=True)
        (self.crate / "Cargo.toml").write_text('[package]\nname = "crate"\n')
        self.source = self.crate / "src" / "lib.rs"
        self.source.write_text(";; a comment of WAT's\n")
        self.component = self.crate / "build" / "crate.wasm"
        (self.tools / "lib").mkdir(parents=True)
        (self.tools / "lib" / "libcore-1.rlib").touch()
        (self.tools / "version").write_text("1.0.0")
        self._script("rustc", f"#!/bin/sh\necho {self.tools}/lib\n")
        self._script(
            "cargo",
            _CARGO.format(
                tools=shlex.quote(str(self.tools)),
                component=shlex.quote(str(COMPONENTS / WAT)),
            ),
        )

    def _script(self, name: str, text: str) -> None:
        path = self.tools / name
        path.write_text(text)
        path.chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PATH": f"{self.tools}{os.pathsep}{os.environ['PATH']}"}

    @property
    def builds(self) -> int:
        """How often it was called to build."""
        calls = self.tools / "calls"
        return len(calls.read_text().splitlines()) if calls.exists() else 0

    def wait(self) -> None:
        """Have the next build wait for ever."""
        (self.tools / "wait").touch()

    def fail(self, text: str) -> None:
        (self.tools / "error").write_text(text)

    def work(self) -> None:
        """As at first."""
        for name in ("wait", "never", "waits", "error"):
            (self.tools / name).unlink(missing_ok=True)

    @property
    def waiting(self) -> int | None:
        """The pid of the build that waits."""
        path = self.tools / "waits"
        text = path.read_text().strip() if path.exists() else ""
        return int(text) if text else None

    def left(self) -> list[str]:
        """What is in the build directory."""
        directory = self.component.parent
        return sorted(os.listdir(directory)) if directory.exists() else []
