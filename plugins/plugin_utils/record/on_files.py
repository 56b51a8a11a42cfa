# Keeps the runs of one environment as files below `reports_dir/<environment>/`.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.bytebot.production.plugins.plugin_utils.record import document, files
from ansible_collections.bytebot.production.plugins.plugin_utils.record.keeper import (
    DOCUMENT,
    HEADER,
    LATEST,
    STATEMENTS,
    Guard,
    Part,
)
from ansible_collections.bytebot.production.plugins.plugin_utils.record.lock import Lock, Owner

RESULTS = "results"
RUN = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{4}")


class OnFiles:
    """One folder for each run: ``run.json``, one file for each section, and the results document."""

    def __init__(self, folder: Path, owner: Owner) -> None:
        self.folder = folder
        self.guard: Guard = Lock(folder, owner)

    @property
    def where(self) -> str:
        """The environment's folder."""
        return str(self.folder)

    def named(self, run: str, part: str) -> str:
        """The path of a part's file."""
        return str(self._path(run, part))

    def resolved(self, run: str) -> str:
        """The id of a run; ``latest`` is a link."""
        return (self.folder / run).resolve().name

    def headers(self) -> dict[str, Part | files.Unusable]:
        """The headers of all runs."""
        there = sorted(self.folder.iterdir()) if self.folder.is_dir() else []
        runs = [path.name for path in there if not path.is_symlink() and RUN.fullmatch(path.name)]
        return {run: _tried(self._path(run, HEADER)) for run in runs}

    def sections(self, run: str) -> dict[str, Part | files.Unusable]:
        """All sections of a run."""
        paths = sorted(self._parts(run).glob("[a-z]*.json"))
        return {path.stem: _tried(path) for path in paths}

    def aside(self, run: str) -> dict[str, str]:
        """The files that were put aside."""
        paths = sorted(self._parts(run).glob("*.unusable-*"))
        return {path.name: str(path) for path in paths}

    def read(self, run: str, part: str) -> Part | None:
        """One part; a folder without a header is a damaged run."""
        path = self._path(run, part)
        there = (self.folder / run).is_dir() if part == HEADER else path.exists()
        return files.read_sealed(path) if there else None

    def write(self, run: str, part: str, content: Mapping[str, Any]) -> None:
        """Put a part in place; the run becomes the newest."""
        path = self._path(run, part)
        files.make_folder(self._parts(run))
        files.write_json(path, files.sealed(content))
        if part == HEADER:
            files.link(self.folder / LATEST, run)

    def put_aside(self, run: str, part: str) -> None:
        """Rename a part's file."""
        files.put_aside(self._path(run, part))

    def finish(self, run: str) -> None:
        """Files stay as they are; the header says that the run is closed."""

    def publish(self, run: str, document: Mapping[str, Any]) -> None:
        """Put the results document into the run's folder."""
        files.write_json(self.folder / run / DOCUMENT, document)

    def outcome(self, run: str) -> Mapping[str, Any] | None:
        """The results document."""
        path = self.folder / run / DOCUMENT
        return document.read(path) if path.exists() else None

    def rehearse(self, run: str) -> None:
        """What a disk takes shows only when it is written."""

    def _path(self, run: str, part: str) -> Path:
        return self.folder / run / f"{HEADER}.json" if part == HEADER else self._parts(run) / f"{part}.json"

    def _parts(self, run: str) -> Path:
        return self.folder / run if run == STATEMENTS else self.folder / run / RESULTS


def _tried(path: Path) -> Part | files.Unusable:
    try:
        return files.read_sealed(path)
    except files.Unusable as exc:
        return exc
