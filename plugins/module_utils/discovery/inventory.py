# Writes findings as an inventory that Ansible reads: one line for each input, and above it where it was found; pure.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.discovery.facts import (
    Blank,
    Entry,
    Findings,
    Note,
)

HOSTS, FOUND = "inventory/hosts.yml", "inventory/group_vars/all/discovered.yml"
_WIDTH = 118
_TEMPLATE = re.compile(r"\{\{|\{%|\{#")
_HEAD = (
    "Found by bytebot.production.discover. A line that begins with BLANK names what only a person can say. Answer it "
    "in a file of your own beside this one, group_vars/all/own.yml, which wins; then the discovery can be repeated."
)


def texts(environment: str, found: Findings) -> dict[str, str]:
    """The inventory's files by their path."""
    host = {
        "all": {
            "hosts": {
                environment: {
                    "ansible_connection": "local",
                    "ansible_python_interpreter": "{{ ansible_playbook_python }}",
                }
            }
        }
    }
    return {HOSTS: "---\n" + "\n".join(_block(host, 0, template=True)) + "\n", FOUND: _found(found)}


def _found(found: Findings) -> str:
    lines = ["---", *_comment(_HEAD)]
    for part in found.parts:
        lines += ["", f"# --- {part.title} ---"]
        for entry in part.entries:
            lines += _entry(entry)
    lines += ["", "# --- Not seen ---"]
    for text in found.unseen or ("Nothing was kept from this account.",):
        lines += _comment(text)
    return "\n".join(lines) + "\n"


def _entry(entry: Entry) -> Iterator[str]:
    if isinstance(entry, Note):
        yield from _comment(f"{entry.text} [{entry.where}]")
    elif isinstance(entry, Blank):
        yield from _comment(f"BLANK: {entry.name}: {entry.question}")
        mark = "# " if entry.standing is None else ""  # roles ask whether it is defined
        yield from (f"{mark}{line}" for line in _block({entry.name: entry.standing}, 0))
    else:
        yield from _comment(f"Found: {entry.where}")
        yield from _block({entry.name: entry.value}, 0, template=entry.template)


def _comment(text: str) -> list[str]:
    """Lines of a comment; whatever the text holds, it stays one."""
    return textwrap.wrap(
        " ".join(text.split()),
        _WIDTH,
        initial_indent="# ",
        subsequent_indent="#   ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _block(value: Any, depth: int, *, template: bool = False) -> Iterator[str]:
    """YAML in block style. :param template: texts are templates of Ansible's; all others are marked as none."""
    pad = "  " * depth
    if isinstance(value, Mapping):
        for key, item in value.items():
            if _is_nested(item):
                yield f"{pad}{_scalar(str(key), template=True)}:"
                yield from _block(item, depth + 1, template=template)
            else:
                yield f"{pad}{_scalar(str(key), template=True)}: {_scalar(item, template=template)}"
        return
    for item in value:
        inner = list(_block(item, depth + 1, template=template)) if _is_nested(item) else []
        yield f"{pad}- {inner[0].strip()}" if inner else f"{pad}- {_scalar(item, template=template)}"
        yield from inner[1:]


def _is_nested(value: Any) -> bool:
    return isinstance(value, (Mapping, list)) and bool(value)


def _scalar(value: Any, *, template: bool = False) -> str:
    """One value on one line: JSON, which is YAML, without quotes where a text cannot be taken for anything else."""
    if not isinstance(value, str):
        return json.dumps(value)
    if not template and _TEMPLATE.search(value):
        return f"!unsafe {json.dumps(value)}"
    plain = re.fullmatch(r"[A-Za-z/][A-Za-z0-9_./:-]*(?<!:)", value) and ": " not in value
    word = value.lower() in ("null", "true", "false", "yes", "no", "on", "off", "y", "n")
    return value if plain and not word else json.dumps(value, ensure_ascii=False)


def told(found: Findings) -> dict[str, Any]:
    """The findings as the module returns them."""
    return {
        "found": [{"input": one.name, "is": one.value, "where": one.where} for one in found.inputs()],
        "blanks": [one.name for one in found.blanks()],
        "notes": [f"{one.text} [{one.where}]" for one in found.notes()],
        "not_seen": list(found.unseen),
    }
