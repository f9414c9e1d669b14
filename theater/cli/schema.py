"""`theater schema`: the JSON schema of manifests, for editors."""

from __future__ import annotations

import json
from pathlib import Path

from theater.cli.terminal import Terminal
from theater.errors import EnvironmentProblem


def schema(terminal: Terminal, is_fragment: bool, output: Path | None) -> None:
    from theater import manifest_json_schema
    from theater.manifest_files import installed_handlers

    make = manifest_json_schema.fragment if is_fragment else manifest_json_schema.manifest
    made = make(sorted(installed_handlers()))
    text = json.dumps(made, indent=2, ensure_ascii=False)
    if output is None:
        terminal.print(text)
        return
    try:
        output.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise EnvironmentProblem(f"cannot write {output}: {error.strerror}") from None
