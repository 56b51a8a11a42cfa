# The page of all faults: what each does, what it turns red, and whether it was seen by itself. No figure that varies.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sandbox.faults import FAULTS, MODULES
from sandbox.faults.fault import Fault
from tests.sabotage.keeping import Seen, seen_at_commits

DOCUMENT = "docs/faults.md"
COLUMNS = "| Fault | What is wrong | Turns red | Seen | Bitten |\n| --- | --- | --- | --- | --- |\n"
NOT_YET = "not yet"
SEEN = 3  # the column of it
WORDS = {True: "there and gone", False: "NOT SEEN"}
HEAD = """\
<!-- Written by `make faults-seen`; change sandbox/faults, not this page. -->
# The faults of the sandbox

`make fault NAME=…` puts one in, `make heal` takes it out; `make faults-seen` tries all that can be seen by themselves.
*Seen* says what came of that: *there and gone*: put in twice it was there, and healed three times it was gone,
by an observation of its own that is no control (a sign-in, a query, an object of the API, a probe). *Not yet*: it was
not tried yet. *By its controls*: nothing but the controls looks, in `make sabotage`.

*Bitten* says whether `make sabotage` saw at a commit that all that it declares turned red, and nothing else: *alone*,
or *with others* that were in at the same time. *Not yet* stands also where it declares something else since.
`tests/bitten.jsonl` has the commits.

"""


def rewrite(root: Path, known: Mapping[str, bool] | None = None) -> None:
    """Write the page below a root anew.

    :param known: whether each fault was right when it was last tried; what the page says where it is not given.
    """
    path = root / DOCUMENT
    page = path.read_text(encoding="utf-8") if path.exists() else ""
    path.write_text(document(known_of(page) if known is None else known, seen_at_commits(root)), encoding="utf-8")


def document(known: Mapping[str, bool], bites: Mapping[str, Seen]) -> str:
    """The whole page.

    :param known: whether each fault was right when it was last tried.
    :param bites: what was seen of each fault's controls at a commit.
    """
    parts = []
    for module in MODULES:
        title = module.__name__.rpartition(".")[2]
        rows = "".join(_row(fault, known, bites) for fault in module.FAULTS)
        parts.append(f"## {title}\n\n{COLUMNS}{rows}")
    biting = [fault for fault in FAULTS.values() if fault.turns_red]
    bitten = sum(_bitten(fault, bites) != NOT_YET for fault in biting)
    said = f"{len(FAULTS)} faults, of which {len(biting)} declare a control and {bitten} were bitten at a commit."
    return f"{HEAD}{said}\n\n" + "\n".join(parts)


def known_of(page: str) -> dict[str, bool]:
    """What an earlier page says of each fault that was tried."""
    words = {word: right for right, word in WORDS.items()}
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| `")]
    return {row[0].strip("`"): words[row[SEEN]] for row in rows if len(row) > SEEN and row[SEEN] in words}


def _row(fault: Fault, known: Mapping[str, bool], bites: Mapping[str, Seen]) -> str:
    red = ", ".join(f"`{control}`" for control in fault.turns_red)
    return f"| `{fault.name}` | {fault.says} | {red} | {_word(fault, known)} | {_bitten(fault, bites)} |\n"


def _word(fault: Fault, known: Mapping[str, bool]) -> str:
    if fault.seen is None:
        return "by its controls"
    return WORDS[known[fault.name]] if fault.name in known else NOT_YET


def _bitten(fault: Fault, bites: Mapping[str, Seen]) -> str:
    if not fault.turns_red:
        return "nothing to bite"
    seen = bites.get(fault.name)
    if seen is None or not seen.tells_of(fault):
        return NOT_YET
    return "with others" if seen.bite.together else "alone"
