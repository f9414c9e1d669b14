"""Projects for tests with real tools, kept from one run to the next: so a tool builds only what has
changed since, as it does for everybody.

They lie in the user's cache directory.
"""

from __future__ import annotations

import os
from pathlib import Path

_BASE = os.environ.get("XDG_CACHE_HOME", "")
_CACHE = Path(_BASE if os.path.isabs(_BASE) else Path.home() / ".cache")
HERE = _CACHE / "theater-tests" / "projects"


def project(name: str, **files: str) -> Path:
    """A directory with these files; `hello_py="..."` is hello.py."""
    directory = HERE / name
    directory.mkdir(parents=True, exist_ok=True)
    for key, text in files.items():
        path = directory / key.replace("_", ".")
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
    return directory
