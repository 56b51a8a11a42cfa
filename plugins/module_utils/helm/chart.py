# Says which chart it is: one digest over its files, the same for a folder and for the archive that helm makes of it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils import yaml_text
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.helm.ignore import FILE, Ignore

DEEPEST = 5  # charts within charts
# `helm package` writes these anew: sorted, without comments, without empty fields and those that it does not know.
_REWRITTEN = ("Chart.yaml", "Chart.lock")
_FIELDS = """
    apiVersion name version appVersion description type kubeVersion home icon deprecated keywords sources maintainers
    annotations dependencies condition tags digest generated
"""


def chart_digest(chart: str) -> str:
    """SHA-256 in hex over the names and contents of a chart's files, in the order of their names.

    :param chart: a folder, or an archive as ``helm package`` makes it.
    :raises InputError: it cannot be read.
    """
    found = chart_files(chart)
    total = hashlib.sha256()
    for name in sorted(found):
        total.update(f"{name}\0{hashlib.sha256(_canonical(name, found[name])).hexdigest()}\n".encode())
    return total.hexdigest()


def chart_files(chart: str) -> dict[str, bytes]:
    """The contents of a chart's files, by their path within the chart; packed subcharts are unpacked, as helm does.

    :raises InputError: it cannot be read.
    """
    path = Path(chart)
    try:
        return dict(_unpacked(_of_folder(path) if path.is_dir() else _of_archive(path.read_bytes()), 0))
    except (OSError, EOFError) as exc:
        raise InputError(f"The chart {path} cannot be read ({exc}).") from exc


def _of_folder(folder: Path) -> Iterator[tuple[str, bytes]]:
    rules = folder / FILE
    ignore = Ignore(rules.read_text(encoding="utf-8", errors="replace") if rules.is_file() else "")
    found = (Path(place, name) for place, _folders, names in os.walk(folder, followlinks=True) for name in names)
    files = {path.relative_to(folder).as_posix(): path for path in found if path.is_file()}
    for name in ignore.kept(files):
        yield name, files[name].read_bytes()


def _of_archive(packed: bytes) -> Iterator[tuple[str, bytes]]:
    import tarfile

    try:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            for member in archive:
                if member.isfile() and (content := archive.extractfile(member)) is not None:
                    yield member.name.partition("/")[2], content.read()
    except tarfile.TarError as exc:
        raise OSError(str(exc)) from exc


def _unpacked(files: Iterator[tuple[str, bytes]], depth: int) -> Iterator[tuple[str, bytes]]:
    for name, content in files:
        folder, _slash, rest = name.partition("/")
        if folder == "charts" and "/" not in rest and rest.endswith((".tgz", ".tar.gz")) and depth < DEEPEST:
            inner = dict(_unpacked(_of_archive(content), depth + 1))
            own = _loaded(inner.get("Chart.yaml", b""), name).get("name") or rest
            yield from ((f"charts/{own}/{path}", text) for path, text in inner.items())
        else:
            yield name, content


def _canonical(name: str, content: bytes) -> bytes:
    """A file as it counts in the digest."""
    *above, own = name.split("/")
    if own not in _REWRITTEN or (above and above[0] != "charts"):
        return content
    fields = {key: value for key, value in _loaded(content, name).items() if key in _FIELDS.split()}
    return json.dumps(_filled(fields), sort_keys=True, default=str).encode()


def _loaded(content: bytes, name: str) -> dict[str, Any]:
    try:
        loaded = yaml_text.load(content.decode("utf-8", "replace"), name)
    except InputError:  # helm says it better
        return {}
    return loaded if isinstance(loaded, dict) else {}


def _filled(value: Any) -> Any:
    """Without what is empty, at any depth."""
    if isinstance(value, dict):
        return {str(key): kept for key, one in value.items() if (kept := _filled(one))}
    if isinstance(value, list):
        return [_filled(one) for one in value]
    return value
