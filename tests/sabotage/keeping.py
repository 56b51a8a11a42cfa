# Keeps what was seen of each fault, so that a broken-off call goes on; another state of the sources begins anew.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sandbox.errors import SandboxError
from sandbox.faults.fault import Fault
from tests.sabotage.telling import Bite

SOURCES = (
    "ansible.cfg", "catalogue", "deploy.yml", "inventories", "meta", "playbooks", "plugins", "roles", "sandbox",
    "tests/sabotage",
)  # fmt: skip
SHORT = 10  # of a commit's name, as people read it
# What was seen at commits, in the repository itself, so that another machine goes on from there.
LEDGER = "tests/bitten.jsonl"


@dataclass(frozen=True)
class Seen:
    """A bite, and of which sources it is.

    :param sources: their SHA-256; :param commit: they are exactly what it holds, else empty.
    :param way: how it was judged: another playbook, gate or state would say something else.
    """

    bite: Bite
    sources: str
    commit: str
    way: tuple[str, ...]

    def tells_of(self, fault: Fault) -> bool:
        """Whether the fault still declares the same controls, and is judged in the same way."""
        return (self.bite.turns_red, self.way) == (fault.turns_red, _way(fault))


class Kept:
    """Bites by name, in a file below ``build/``. Only those without a fault of their own are kept.

    :param since: a revision: what was seen at it, or at a commit after it, counts as well.
    :param together: whether what was seen only together with other faults counts as well.
    :param ledger: whether what is seen at a commit is written into the ledger, too; it is read in any case.

    :raises SandboxError: there is no such revision before this one.
    """

    def __init__(
        self, root: Path, *, fresh: bool, since: str = "", together: bool = False, ledger: bool = False
    ) -> None:
        self._root, self._path = root, root / "build" / "sabotage" / "kept.json"
        self._ledger, self._writes = root / LEDGER, ledger
        self._sources = _digest(root)
        self._commit = _commit(root)
        self._counts = frozenset(_commits(root, since)) if since else frozenset()
        self._fresh, self._together, self._between = fresh, together, 0
        self._seen = self._read()

    def bite(self, fault: Fault) -> Bite | None:
        """What is known of a fault, as long as it still declares the same controls, and in the same way."""
        seen = self._seen.get(fault.name)
        if self._fresh or seen is None or not seen.tells_of(fault):
            return None
        if seen.bite.together and not self._together:
            return None
        return seen.bite if seen.sources == self._sources or seen.commit in self._counts else None

    def earlier(self, name: str) -> str:
        """The commit at which a fault was seen where that is not what is here now, else empty."""
        seen = self._seen.get(name)
        return seen.commit[:SHORT] if seen is not None and seen.sources != self._sources else ""

    @property
    def between(self) -> int:
        """How many bites were given here that are of no one state of the sources, and so are not kept."""
        return self._between

    def keep(self, fault: Fault, bite: Bite) -> None:
        """Remember a bite at once, and forget one that was right before and is so no more."""
        if not bite.bitten or bite.collateral:
            self.forget([bite.name])
        elif _digest(self._root) != self._sources:  # they changed since this call began
            self._between += 1
        else:
            self._seen[bite.name] = Seen(bite, self._sources, self._commit, _way(fault))
            self._write()

    def forget(self, names: Iterable[str]) -> None:
        """What these did is judged again the next time."""
        if known := [name for name in names if name in self._seen]:
            for name in known:
                del self._seen[name]
            self._write(gone=known)

    def _write(self, gone: Iterable[str] = ()) -> None:
        _replace(self._path, json.dumps({"bites": [asdict(one) for one in self._seen.values()]}))
        ledger = seen_at_commits(self._root)
        left = {name: one for name, one in ledger.items() if name not in {*gone}}
        if self._writes:
            left |= {name: one for name, one in self._seen.items() if one.commit}
        if left != ledger:
            _replace(self._ledger, "".join(f"{json.dumps(asdict(left[name]))}\n" for name in sorted(left)))

    def _read(self) -> dict[str, Seen]:
        """What the ledger knows, and what this machine does: of two, the one of these sources, else the ledger's."""
        ledger, here = seen_at_commits(self._root), {}
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            here = {one.bite.name: one for one in map(_seen, content["bites"])}
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return ledger | {name: one for name, one in here.items() if one.sources == self._sources or name not in ledger}


def seen_at_commits(root: Path) -> dict[str, Seen]:
    """What the ledger tells of each fault; nothing of a line that is damaged."""
    found = {}
    with contextlib.suppress(OSError):
        for line in (root / LEDGER).read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                one = _seen(json.loads(line))
                found[one.bite.name] = one
    return found


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def _seen(one: dict[str, Any]) -> Seen:
    return Seen(_bite(one["bite"]), one["sources"], one["commit"], tuple(one["way"]))


def _bite(one: dict[str, Any]) -> Bite:
    lists = {key: tuple(one[key]) for key in ("turns_red", "missed", "collateral", "together")}
    return Bite(name=one["name"], gate=one["gate"], wanted_gate=one["wanted_gate"], seconds=one["seconds"], **lists)


def _way(fault: Fault) -> tuple[str, ...]:
    return fault.playbook, "shuts" if fault.shuts else "leaves open", fault.turns


def _digest(root: Path) -> str:
    total = hashlib.sha256()
    for name in SOURCES:
        for path in [root / name, *sorted((root / name).rglob("*"))]:
            if path.is_file() and "__pycache__" not in path.parts:
                total.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return total.hexdigest()


def _commit(root: Path) -> str:
    """The commit that holds the sources as they are; empty where some are not committed, or no history is here."""
    changed = _git(root, "status", "--porcelain", "--", *SOURCES)
    return "" if changed is None or changed else (_git(root, "rev-parse", "HEAD") or "")


def _commits(root: Path, since: str) -> list[str]:
    """A revision, and those from it to this one that come after it, by their names; none of a branch beside it."""
    first = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{since}^{{commit}}")
    if not first or _git(root, "merge-base", "--is-ancestor", first, "HEAD") is None:
        raise SandboxError("sabotage", f"there is no revision {since} before this one", remedy="git log names them")
    return [first, *(_git(root, "rev-list", "--ancestry-path", f"{first}..HEAD") or "").split()]


def _git(root: Path, *arguments: str) -> str | None:
    """What git says, without its last line break; None where it refuses, or is not there."""
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
