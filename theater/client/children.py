"""What can be asked of the supervisors of a running system, with OTP's names and answers.

A refusal is `Refused`; its `code` is the word OTP has for it. A path is an address as in `ps`;
the root supervisor is "" (or "/", as the log calls it).
"""

from __future__ import annotations

import os
from typing import Any

from theater.client.control import Control
from theater.facts import ROOT

Row = dict[str, Any]


class Children:
    _control: Control

    def _text(self, operation: str, **facts: Any) -> str:
        return str(self._control.ask(operation, **facts)["text"])

    # One child

    def stop(self, path: str) -> str:
        """Stop an actor or a supervisor's subtree; what root said."""
        return self._text("stop", actor=in_tree(path))

    def start_child(self, path: str) -> str:
        """Start a child that does not run, also a temporary one that has ended."""
        return self._text("start", actor=in_tree(path))

    def restart(self, path: str, init: bool = False) -> str:
        """Stop it if it runs, then start it.

        `init`: with its initial state, as on the first day, whatever its `on_restart` says; what
        waits in its mailbox stays. The way out of a bad state.
        """
        return self._text("restart", actor=in_tree(path), init=init)

    def terminate_child(self, path: str) -> str:
        """OTP's: as `stop`, but a temporary child that has ended is `not_found`."""
        return self._text("stop", actor=in_tree(path), strict=True)

    def restart_child(self, path: str) -> str:
        """OTP's: start a child that does not run; `running` or `restarting` else."""
        return self._text("start", actor=in_tree(path), strict=True)

    def delete_child(self, path: str) -> str:
        """OTP's: forget a child that does not run, and what waits in its mailbox."""
        return self._text("delete", actor=in_tree(path), strict=True)

    def child_spec(self, path: str) -> Row:
        """OTP's get_childspec: all that the manifest says of it, or leaves to the defaults."""
        spec: Row = self._control.ask("spec", actor=in_tree(path))["spec"]
        return spec

    # The children of a supervisor

    def add_child(self, file: str | os.PathLike[str], supervisor: str = "") -> list[str]:
        """OTP's start_child: start the children in a fragment of a manifest, in its order, after
        those that are there. Their paths; ManifestError says all that is wrong with the file."""
        reply = self._control.submit(
            "add", file=os.path.abspath(file), supervisor=in_tree(supervisor)
        )
        added: list[str] = reply["added"]
        return added

    def which_children(self, supervisor: str = "") -> list[Row]:
        """path, process (running, restarting, undefined), type, restart_type; in start order."""
        rows: list[Row] = self._control.ask("children", supervisor=in_tree(supervisor))["children"]
        return rows

    def count_children(self, supervisor: str = "") -> dict[str, int]:
        """specs, active, supervisors, workers."""
        count: dict[str, int] = self._control.ask("children", supervisor=in_tree(supervisor))[
            "count"
        ]
        return count

    # Pools

    def scale(self, pool: str, instances: int) -> str:
        """Let a pool have so many instances."""
        return self._text("scale", pool=in_tree(pool), instances=instances)

    def start_instance(self, pool: str, *args: str) -> str:
        """OTP's start_child of a pool: one more instance, `args` after the template's; its path."""
        return self._text("start_instance", pool=in_tree(pool), args=list(args)).removesuffix(
            " is running"
        )

    # The whole tree

    def tree(self) -> list[Row]:
        """One map per supervisor and actor, each supervisor before what is under it."""
        nodes: list[Row] = self._control.ask("tree")["nodes"]
        return nodes

    def reload(
        self,
        manifest: str | os.PathLike[str] | None = None,
        prune: bool = False,
        dry_run: bool = False,
    ) -> list[Row]:
        """Read the manifest again and make the system what it says; the changes made.

        `prune`: stop and delete what is no longer in it. `dry_run`: only find out. ManifestError
        says all that is wrong with it, and then nothing is changed.
        """
        facts: Row = {} if manifest is None else {"file": os.path.abspath(manifest)}
        plan: list[Row] = self._control.submit("reload", prune=prune, dry_run=dry_run, **facts)[
            "plan"
        ]
        return plan


def is_up(node: Row) -> bool:
    """Whether a node of the tree has been started and has not ended."""
    return node["status"] not in ("stopped", "failed", "restarting")


def in_tree(path: str) -> str:
    """What root calls it."""
    return "" if path == ROOT else path


def in_log(path: str) -> str:
    """What the log calls it."""
    return path or ROOT
