# Puts every fault that can be seen by itself into the sandbox, one by one, and says what was seen of it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.faults import FAULTS, Faults
from sandbox.settings import load
from tests.seen import ALL, Seen, look
from tests.seen.document import DOCUMENT, known_of, rewrite

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str] | None = None) -> int:
    """Try the wanted faults; 0 where each was there when it was in, and gone when it was healed."""
    given = _parser().parse_args(arguments)
    known, tried = known_of(_page()), []
    if not given.document:
        faults = Faults(load())
        faults.heal()
        for name in [name for name in given.only or ALL if not (given.go_on and known.get(name, False))]:
            tried.append(_tried(faults, name))
            known[name] = tried[-1].right
            rewrite(ROOT, known)  # at once, so that a call that was broken off can be gone on with
        print(f"seen {sum(one.right for one in tried)} of {len(tried)}")
    rewrite(ROOT, known)
    return 0 if all(one.right for one in tried) else 1


def _tried(faults: Faults, name: str) -> Seen:
    began = time.monotonic()
    try:
        found = look(faults, name)
    except SandboxError as error:  # the others are tried all the same
        found = Seen(name, put=False, healed=False, seconds=time.monotonic() - began, told=str(error))
        _healed(faults)
    print(_row(found), flush=True)
    return found


def _healed(faults: Faults) -> None:
    try:
        faults.heal()
    except SandboxError as error:
        print(f"It does not heal: {error}", file=sys.stderr, flush=True)


def _row(found: Seen) -> str:
    words = "seen" if found.put else "NOT SEEN", "gone" if found.healed else "NOT GONE"
    return f"{found.name:<32} {words[0]:<8} {words[1]:<8} {found.seconds:6.1f} s  {FAULTS[found.name].says}" + (
        f"  ({found.told})" if found.told else ""
    )


def _page() -> str:
    path = ROOT / DOCUMENT
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.seen", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=ALL, metavar="NAME", help="only these faults")
    parser.add_argument("--go-on", action="store_true", help="leave out what was right when it was last tried")
    parser.add_argument("--document", action="store_true", help="only write the document anew")
    return parser


if __name__ == "__main__":
    sys.exit(main())
