# The page of all faults: what each does, what it turns red, and whether it was seen by itself. No figure that varies.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping

from sandbox.faults import FAULTS, MODULES
from sandbox.faults.fault import Fault

DOCUMENT = "docs/faults.md"
WORDS = {True: "there and gone", False: "NOT SEEN"}
HEAD = """\
<!-- Written by `make faults-seen`; change sandbox/faults, not this page. -->
# The faults of the sandbox

`make fault NAME=…` puts one in, `make heal` takes it out; `make faults-seen` tries all that can be seen by themselves.
The last column says what came of that: *there and gone*: put in twice it was there, and healed three times it was gone,
by an observation of its own that is no control (a sign-in, a query, an object of the API, a probe). *Not yet*: it was
not tried yet. *By its controls*: nothing but the controls looks, in `make sabotage`. What no control judges yet turns
nothing red.

"""


def document(known: Mapping[str, bool]) -> str:
    """The whole page.

    :param known: whether each fault was right when it was last tried.
    """
    parts = []
    for module in MODULES:
        title = module.__name__.rpartition(".")[2]
        rows = "".join(_row(fault, known) for fault in module.FAULTS)
        parts.append(f"## {title}\n\n| Fault | What is wrong | Turns red | Seen |\n| --- | --- | --- | --- |\n{rows}")
    return f"{HEAD}{len(FAULTS)} faults.\n\n" + "\n".join(parts)


def known_of(page: str) -> dict[str, bool]:
    """What an earlier page says of each fault that was tried."""
    words = {word: right for right, word in WORDS.items()}
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| `")]
    return {row[0].strip("`"): words[row[-1]] for row in rows if row[-1] in words}


def _row(fault: Fault, known: Mapping[str, bool]) -> str:
    red = ", ".join(f"`{control}`" for control in fault.turns_red)
    return f"| `{fault.name}` | {fault.says} | {red} | {_word(fault, known)} |\n"


def _word(fault: Fault, known: Mapping[str, bool]) -> str:
    if fault.seen is None:
        return "by its controls"
    return WORDS[known[fault.name]] if fault.name in known else "not yet"
