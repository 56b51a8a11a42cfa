# Reads what a chart is made of: default values, schema, dependencies, subcharts, and all texts that helm may render.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils import yaml_text
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.helm.chart import DEEPEST, chart_files

_NOT_RENDERED = ("Chart.yaml", "Chart.lock", "values.yaml", "values.schema.json", "README.md", "LICENSE")
LIBRARY = "library"


@dataclass(frozen=True)
class ChartSource:
    """A chart's own files, and those of its subcharts by the name under which they get their values.

    :param texts: every file that a template is or may read, by its path.
    :param switches: dotted paths of values by which dependencies are switched (``condition``).
    :param imports: names of dependencies whose values are imported into this chart.
    """

    name: str
    values: Mapping[str, Any] = field(default_factory=dict)
    schema: Mapping[str, Any] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    library: bool = False
    switches: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    subcharts: Mapping[str, ChartSource] = field(default_factory=dict)


def read_chart(chart: str) -> ChartSource:
    """Read a chart.

    :param chart: a folder, or an archive as ``helm package`` makes it.
    :raises InputError: it cannot be read, or one of its files is not what it must be.
    """
    return _source(chart_files(chart), str(chart), 0)


def _source(files: Mapping[str, bytes], where: str, depth: int) -> ChartSource:
    described = _mapping(files.get("Chart.yaml"), f"Chart.yaml of {where}")
    dependencies = [one for one in described.get("dependencies") or [] if isinstance(one, Mapping)]
    found = dict(_subcharts(files, where, depth)) if depth < DEEPEST else {}
    return ChartSource(
        name=str(described.get("name") or where),
        values=_mapping(files.get("values.yaml"), f"values.yaml of {where}"),
        schema=_schema(files.get("values.schema.json"), where),
        texts=dict(_texts(files)),
        library=described.get("type") == LIBRARY,
        switches=tuple(path for one in dependencies for path in str(one.get("condition") or "").split(",") if path),
        imports=tuple(_called(one) for one in dependencies if one.get("import-values")),
        subcharts=_aliased(found, dependencies),
    )


def _subcharts(files: Mapping[str, bytes], where: str, depth: int) -> Iterator[tuple[str, ChartSource]]:
    folders: dict[str, dict[str, bytes]] = {}
    for path, content in files.items():
        if not path.startswith("charts/"):
            continue
        name, _slash, rest = path.removeprefix("charts/").partition("/")
        if rest:
            folders.setdefault(name, {})[rest] = content
    for name, inner in folders.items():
        if "Chart.yaml" in inner:
            source = _source(inner, f"{where}/charts/{name}", depth + 1)
            yield source.name, source


def _aliased(found: Mapping[str, ChartSource], dependencies: list[Mapping[str, Any]]) -> dict[str, ChartSource]:
    """Subcharts by the name of their values: the alias where one is given, and one entry for each alias."""
    named: dict[str, ChartSource] = {}
    for one in dependencies:
        if (source := found.get(str(one.get("name")))) is not None:
            named[_called(one)] = source
    listed = {str(one.get("name")) for one in dependencies}
    return {**{name: source for name, source in found.items() if name not in listed}, **named}


def _called(dependency: Mapping[str, Any]) -> str:
    return str(dependency.get("alias") or dependency.get("name"))


def _texts(files: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    for path, content in files.items():
        if path in _NOT_RENDERED or path.startswith("charts/"):
            continue
        try:
            yield path, content.decode("utf-8")
        except UnicodeDecodeError:
            continue  # a template is a text


def _mapping(content: bytes | None, where: str) -> Mapping[str, Any]:
    if content is None:
        return {}
    loaded = yaml_text.load(content.decode("utf-8", "replace"), where)
    if loaded is not None and not isinstance(loaded, Mapping):
        raise InputError(f"{where} holds a {type(loaded).__name__}, where keys and values are needed.")
    return loaded or {}


def _schema(content: bytes | None, where: str) -> Mapping[str, Any]:
    if content is None:
        return {}
    try:
        loaded = json.loads(content)
    except ValueError as exc:
        raise InputError(f"values.schema.json of {where} is not JSON: {exc}.") from exc
    return loaded if isinstance(loaded, Mapping) else {}
