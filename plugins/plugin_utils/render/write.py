# Writes the report's files into the run's folder and beside it as "latest", each of them whole or not at all.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.plugin_utils import catalogue
from ansible_collections.bytebot.production.plugins.plugin_utils.record.history import Earlier
from ansible_collections.bytebot.production.plugins.plugin_utils.render import html, junit, markdown, oscal

LATEST = "latest"
FOLDER_MODE = 0o700  # as the record's: a report names systems and what is wrong with them


def render(document: Mapping[str, Any], *, recorded: bool = False, history: Sequence[Earlier] = ()) -> dict[str, str]:
    """The report's files: name and text. ``results.json`` comes last, so that it stands only where the others do.

    :param history: earlier runs, the newest first.
    :param recorded: the record has written ``results.json`` itself.
    """
    text = (catalogue.FOLDER / catalogue.DOCUMENT).read_text(encoding="utf-8")
    files = {
        "report.html": html.render(document, history),
        "checklist.md": markdown.render(document, catalogue.load(), text),
        "junit.xml": junit.render(document),
        "oscal.json": oscal.render(document),
    }
    return files if recorded else {**files, "results.json": canonical(document)}


def write(
    document: Mapping[str, Any], folder: Path, *, recorded: bool = False, history: Sequence[Earlier] = ()
) -> dict[str, Path]:
    """Write the files into a folder, and copies of them into ``latest`` beside it.

    Copies, since a link does not survive in an archive or in a job's artifacts. Where the record has its own link of
    that name, the link is left to it.

    :param recorded: the record has written ``results.json`` itself.
    :param folder: the run's own, below the environment's: ``<reports>/<environment>/<run>``.
    :returns: the files in the folder, by name.
    :raises InputError: a file cannot be written; one sentence says which and why.
    """
    files = render(document, recorded=recorded, history=history)
    written = {name: whole(folder / name, text) for name, text in files.items()}
    latest = folder.parent / LATEST
    if folder.name != LATEST and not latest.is_symlink():
        for name, text in files.items():
            whole(latest / name, text)
    return written


def canonical(document: Mapping[str, Any]) -> str:
    """JSON with sorted keys, indented: equal documents give equal files."""
    return json.dumps(document, sort_keys=True, indent=2, ensure_ascii=False, default=str) + "\n"


def whole(path: Path, text: str) -> Path:
    """Replace a file at once: who reads it sees the old text or the new one."""
    content = text.encode("utf-8", "backslashreplace")  # half a surrogate pair is no letter; in JSON this is its escape
    _wording(path.parent, lambda: path.parent.mkdir(FOLDER_MODE, parents=True, exist_ok=True))
    _wording(path, lambda: _replace(path, content))
    return path


def _replace(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _wording(path: Path, act: Callable[[], None]) -> None:
    try:
        act()
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        raise InputError(
            f"The report cannot be written to {path}: {reason}; "
            "make room or permit it there, or name another folder in bytebot_reports_dir."
        ) from exc
