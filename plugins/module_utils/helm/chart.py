# Says which chart it is: one digest over its files, the same for a folder and for the archive made of it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError


def chart_digest(chart: str) -> str:
    """SHA-256 in hex over the names and contents of a chart's files, in the order of their names.

    :param chart: a folder, or an archive as ``helm package`` makes it.
    :raises InputError: it cannot be read.
    """
    found = chart_files(chart)
    total = hashlib.sha256()
    for name in sorted(found):
        total.update(f"{name}\0{hashlib.sha256(found[name]).hexdigest()}\n".encode())
    return total.hexdigest()


def chart_files(chart: str) -> dict[str, bytes]:
    """The contents of a chart's files, by their path within the chart.

    :raises InputError: it cannot be read.
    """
    path = Path(chart)
    try:
        return dict(_of_folder(path) if path.is_dir() else _of_archive(path))
    except (OSError, EOFError, tarfile.TarError) as exc:
        raise InputError(f"The chart {path} cannot be read ({exc}).") from exc


def _of_folder(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path.read_bytes()


def _of_archive(path: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(path) as archive:
        for member in archive:
            if member.isfile() and (content := archive.extractfile(member)) is not None:
                yield member.name.partition("/")[2], content.read()
