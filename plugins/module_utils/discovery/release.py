# Finds the Helm release of a namespace in Helm's own record, and the chart and values that it was made of; pure.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils import yaml_text
from ansible_collections.bytebot.production.plugins.module_utils.checks.secret_detect import suspect
from ansible_collections.bytebot.production.plugins.module_utils.discovery.look import Object, Seen
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError, RecordUnreadable
from ansible_collections.bytebot.production.plugins.module_utils.helm.release import Release, opened, text_of

STORES = ("Secret", "ConfigMap")
OWNED = "app.kubernetes.io/managed-by"
RELEASE = "meta.helm.sh/release-name"
Holds = Callable[[str], bool]  # whether a text holds the value of a Secret
_NAME = re.compile(r"[A-Za-z0-9._ @+/-]+")
# A text that is called as objects are: words of letters, the last of which says what kind of thing it is.
_OBJECT = re.compile(r"[a-z]+(?:-[a-z]+)*-(?:secrets?|credentials?|keys?|tokens?|tls|auth|certs?|passwords?)")


@dataclass(frozen=True, slots=True)
class Helm:
    """A release. :param where: the object that told. :param raw: Helm's record of its newest deployed revision."""

    name: str
    where: str
    release: Release | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)


def helm_of(seen: Seen, wanted: str) -> Helm | None:
    """The release of that name, or the only one; None where there is none.

    :raises InputError: there are several and none is named, or the named one is not there.
    """
    kept = {kind: [one for one in seen.of(kind) if is_record(one)] for kind in STORES}
    names = sorted({str(_labels(one).get("name")) for some in kept.values() for one in some} | _told_by_objects(seen))
    if wanted and wanted not in names and (names or not seen.denied):
        there = f"There are: {', '.join(names)}." if names else "There is none at all."
        raise InputError(f"Namespace {seen.namespace} has no Helm release {wanted}. {there}")
    if not wanted and len(names) > 1:
        raise InputError(
            f"Namespace {seen.namespace} has several Helm releases: {', '.join(names)}. Say which: release."
        )
    name = wanted or (names[0] if names else "")
    if not name:
        return None
    records = [(kind, one) for kind, some in kept.items() for one in some if _labels(one).get("name") == name]
    if not records:
        return Helm(name, f"annotation {RELEASE} of the workloads" if name in _told_by_objects(seen) else "given")
    kind, newest = max(records, key=lambda one: (_labels(one[1]).get("status") == "deployed", _revision(one[1])))
    return _read(name, kind, newest)


def _read(name: str, kind: str, record: Object) -> Helm:
    where = f"Helm's record, {kind} {record['metadata']['name']}"
    try:
        raw = json.loads(opened(text_of(record), encoded_twice=kind == "Secret"))
        return Helm(name, where, Release.from_helm(raw, record["metadata"]), raw)
    except (ValueError, KeyError, TypeError, AttributeError, OSError, EOFError, InputError) as exc:
        raise RecordUnreadable(f"{where} cannot be read ({type(exc).__name__}).") from exc


def _told_by_objects(seen: Seen) -> set[str]:
    """Helm notes the release on each object that it makes; an account that reads no Secrets sees it there."""
    workloads = seen.of("Deployment", "StatefulSet", "DaemonSet")
    return {
        str(name)
        for one in workloads
        if _labels(one).get(OWNED) == "Helm" and (name := (one["metadata"].get("annotations") or {}).get(RELEASE))
    }


def is_record(obj: Object) -> bool:
    """Whether a Secret or ConfigMap is Helm's record, and nothing of the application's."""
    return _labels(obj).get("owner") == "helm" and str(obj["metadata"]["name"]).startswith("sh.helm.release.v1.")


def _revision(obj: Object) -> int:
    number = str(_labels(obj).get("version", ""))
    return int(number) if number.isdigit() else 0


def _labels(obj: Object) -> Mapping[str, Any]:
    labels: Mapping[str, Any] = obj["metadata"].get("labels") or {}
    return labels


# ---------------------------------------------------------------------- chart and values


@dataclass(frozen=True, slots=True)
class Export:
    """The chart and values of a release as files.

    :param files: by path. :param problem: why there is no chart. :param left_out: the places of what looks like a
        secret among values, which is not written.
    """

    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    problem: str = ""
    left_out: tuple[str, ...] = ()


def export(raw: Mapping[str, Any], holds: Holds) -> Export:
    """Chart and values from Helm's record; nothing that is, or looks like, a secret is among them."""
    chart = raw.get("chart") or {}
    metadata = chart.get("metadata") or {}
    if metadata.get("dependencies"):
        return Export(problem="it has subcharts, which Helm's record does not keep")
    left: list[str] = []
    values = _without_secrets(raw.get("config") or {}, holds, "", left)
    defaults = _without_secrets(chart.get("values") or {}, holds, "", left)
    files = {
        "values.yaml": _yaml(values),
        "chart/Chart.yaml": _yaml(metadata),
        "chart/values.yaml": _yaml(defaults),
    }
    if chart.get("schema"):
        files["chart/values.schema.json"] = b64decode(chart["schema"])
    for name, text in _members(chart):
        if not _NAME.fullmatch(name) or ".." in PurePosixPath(name).parts or name.startswith("/"):
            return Export(problem="it has a file whose name leads out of its folder")
        if name not in ("Chart.yaml", "values.yaml", "values.schema.json"):
            files[f"chart/{name}"] = text
    told = [name for name, text in files.items() if holds(text.decode("utf-8", "replace"))]
    if told:
        return Export(problem=f"{told[0]} holds the value of a Secret")
    return Export(files, "", tuple(dict.fromkeys(left)))


def _members(chart: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    members: Sequence[Mapping[str, Any]] = [*(chart.get("templates") or []), *(chart.get("files") or [])]
    for one in members:
        yield str(one.get("name") or ""), b64decode(one.get("data") or "")


def _without_secrets(value: Any, holds: Holds, place: str, left: list[str]) -> Any:
    if isinstance(value, Mapping):
        inner = {str(key): (f"{place}.{key}" if place else str(key), item) for key, item in value.items()}
        shown = {key: (at, item) for key, (at, item) in inner.items() if _open(at, item, holds, left)}
        return {key: _without_secrets(item, holds, at, left) for key, (at, item) in shown.items()}
    if isinstance(value, list):
        numbered = [(f"{place}[{number}]", item) for number, item in enumerate(value)]
        return [_without_secrets(item, holds, at, left) for at, item in numbered if _open(at, item, holds, left)]
    return value


def _open(place: str, item: Any, holds: Holds, left: list[str]) -> bool:
    """Whether a value may be shown; where not, its place is noted."""
    if isinstance(item, (Mapping, list)) or item is None or isinstance(item, bool):
        return True
    key = re.sub(r"\[\d+\]$", "", place).rpartition(".")[2]
    suspicious = suspect(key, str(item)) and not _OBJECT.fullmatch(str(item))
    shown = not suspicious and not holds(str(item))
    left += [] if shown else [place]
    return shown


def _yaml(value: Any) -> bytes:
    """YAML that Helm reads as the very same; JSON, which is YAML too, where the writer's rules are not Helm's."""
    text = yaml_text.dump(value)
    if yaml_text.load(text, "what was written") != (value or None):
        text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    return text.encode()
