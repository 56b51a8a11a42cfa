# Asks the queries of dashboards through Grafana, with their variables filled in, and whether what they name is stored.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.scrape_facts import Asked, BoardSeen, BoardsSeen
from ansible_collections.bytebot.production.plugins.module_utils.clients.grafana import Grafana
from ansible_collections.bytebot.production.plugins.module_utils.clients.prometheus import Prometheus
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import Told

PROMETHEUS = "prometheus"
MOST = 300  # queries of one dashboard
PAUSE_S = 2.0
_VALUES = re.compile(r"label_values\(\s*(?:(?P<metric>.+),\s*)?(?P<label>[a-zA-Z_][a-zA-Z0-9_]*)\s*\)\s*$", re.DOTALL)
_VARIABLE = re.compile(r"\$\{(\w+)(?::\w+)?\}|\[\[(\w+)(?::\w+)?\]\]|\$(\w+)")
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`')
_BRACES, _RANGE = re.compile(r"\{[^{}]*\}"), re.compile(r"\[[^\[\]]*\]")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^()]*\)", re.IGNORECASE)
_NAME = re.compile(r"(?<![\w.:])([a-zA-Z_:][a-zA-Z0-9_:]*)(?!\s*\(|[\w:])")
_WORDS = frozenset({
    "and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring", "group_left", "group_right", "inf",
    "nan", "start", "end", "atan2",
})  # fmt: skip
_PARTS = ("_bucket", "_count", "_sum", "_total")


def names_in(expression: str) -> list[str]:
    """The metrics that an expression of PromQL names."""
    bare = _GROUPING.sub(" ", _RANGE.sub(" ", _BRACES.sub(" ", _TEXT.sub('""', expression))))
    return list(dict.fromkeys(name for name in _NAME.findall(bare) if name.lower() not in _WORDS))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which dashboards, and what is known to be exported.

    :param exported: metrics of which the application shows samples; None where it could not be asked.
    :param settle_s: what a metric may take from its first sample until a panel shows it.
    :param missed: metrics of which nothing is stored though their events were caused.
    """

    boards: Collection[str]
    exported: Callable[[], Collection[str] | None]
    settle_s: float = 30.0
    missed: Collection[str] = ()


def look_at_boards(
    server: Grafana, stored: Prometheus | None, wanted: Wanted, pause: Callable[[float], None] = time.sleep
) -> BoardsSeen:
    """Ask each query of each wanted dashboard, once or until the metrics whose first sample has just come are shown."""
    listed = server.dashboards()
    if not listed.ok:
        return BoardsSeen(server.service.url, listed=listed)
    there = {one["title"]: one["uid"] for one in listed.data} | {one["uid"]: one["uid"] for one in listed.data}
    sources = server.sources()
    fit = [one for one in sources.data if one.get("type") == PROMETHEUS] if sources.ok else []
    default: Mapping[str, Any] = next((one for one in fit if one.get("isDefault")), fit[0] if fit else {})

    def board(name: str) -> BoardSeen:
        if name not in there:
            return BoardSeen(name, problem=Told("absent", None, "it is not there"))
        return _board(server, name, there[name], str(default.get("uid") or ""))

    told = {name: board(name) for name in wanted.boards}
    known, end = _Known(stored, wanted, list(told.values())), time.monotonic() + wanted.settle_s
    while (young := [name for name, one in told.items() if known.young(one)]) and time.monotonic() < end:
        pause(PAUSE_S)
        known.renew()
        told |= {name: board(name) for name in young}
    judged = [replace(one, asked=tuple(known.judged(query) for query in one.asked)) for one in told.values()]
    return BoardsSeen(server.service.url, tuple(judged), time.time(), listed)


def _board(server: Grafana, name: str, uid: str, default: str) -> BoardSeen:
    told = server.dashboard(uid)
    if not told.ok:
        return BoardSeen(name, problem=told, uid=uid)
    values, lost = _variables(server, told.data, default)
    asked = []
    for title, source, target in list(_queries(told.data, values, default))[:MOST]:
        expression = _filled(str(target["expr"]), values)
        instant = bool(target.get("instant")) and not target.get("range")
        asked.append(Asked(title, expression, server.panel_query(source, expression, instant=instant)))
    return BoardSeen(name, tuple(asked), unresolved=tuple(lost), uid=uid)


def _variables(server: Grafana, board: Mapping[str, Any], default: str) -> tuple[dict[str, str], list[str]]:
    """The values of the variables as the dashboard would choose them, and the names of those that have none."""
    values: dict[str, str] = {}
    lost = []
    for one in (board.get("templating") or {}).get("list") or []:
        name = str(one.get("name"))
        value = _chosen(one) or _offered(server, one, values, default)
        if value:
            values[name] = value
        else:
            lost.append(name)
    return values, lost


def _chosen(variable: Mapping[str, Any]) -> str:
    """The value that is stored with a variable; none where that is "all"."""
    found = (variable.get("current") or {}).get("value")
    chosen = [str(one) for one in (found if isinstance(found, list) else [found]) if one not in (None, "", "$__all")]
    if "$__all" in (found if isinstance(found, list) else [found]):
        return str(variable.get("allValue") or "")
    return "|".join(chosen)


def _offered(server: Grafana, variable: Mapping[str, Any], values: Mapping[str, str], default: str) -> str:
    kind, query = variable.get("type"), variable.get("query")
    text = str(query.get("query") or "") if isinstance(query, Mapping) else str(query or "")
    if kind == "datasource":
        return default
    if kind in ("constant", "textbox"):
        return text
    if kind in ("custom", "interval"):
        offered = [part.strip() for part in text.split(",") if part.strip()]
        return "|".join(offered) if variable.get("includeAll") else next(iter(offered), "")
    found = _VALUES.search(_filled(text, values))
    if kind != "query" or not found:
        return ""
    source = _source(variable.get("datasource"), values, default)
    told = server.label_values(source, found["metric"] or "up", found["label"])
    offered = [re.escape(one) for one in told.data] if told.ok else []
    return "|".join(offered) if variable.get("includeAll") else next(iter(told.data or []), "") if told.ok else ""


def _filled(text: str, values: Mapping[str, str]) -> str:
    def one(found: re.Match[str]) -> str:
        name = found[1] or found[2] or found[3]
        return values.get(name, found[0])

    return _VARIABLE.sub(one, text)


def _queries(
    board: Mapping[str, Any], values: Mapping[str, str], default: str
) -> Iterator[tuple[str, dict[str, str], Mapping[str, Any]]]:
    """Title, data source and query of each panel, those within rows too, as far as Prometheus answers them."""
    panels = [one for one in board.get("panels") or [] if isinstance(one, Mapping)]
    panels += [one for row in board.get("rows") or [] for one in row.get("panels") or []]
    panels += [one for panel in panels for one in panel.get("panels") or []]
    for panel in panels:
        for target in panel.get("targets") or []:
            source = _source(target.get("datasource") or panel.get("datasource"), values, default)
            if target.get("expr") and not target.get("hide") and source["type"] == PROMETHEUS:
                yield str(panel.get("title") or "without a title"), source, target


def _source(given: Any, values: Mapping[str, str], default: str) -> dict[str, str]:
    uid = str(given.get("uid") or "") if isinstance(given, Mapping) else str(given or "")
    kind = str(given.get("type") or PROMETHEUS) if isinstance(given, Mapping) else PROMETHEUS
    filled = _filled(uid, values)
    return {"uid": default if not filled or filled.startswith("$") else filled, "type": kind}


class _Known:
    """Which metrics of the dashboards are stored, described, or exported and not stored."""

    def __init__(self, stored: Prometheus | None, wanted: Wanted, boards: Collection[BoardSeen]) -> None:
        self._stored, self._exported, self._missed = stored, wanted.exported, wanted.missed
        self._names = sorted({name for board in boards for one in board.asked for name in names_in(one.expression)})
        self._there = self._stored_of(self._names)
        before = self._stored_of(self._names, f" offset {max(1, round(wanted.settle_s))}s") if self._there else None
        self._young = self._there - before if self._there and before is not None else set()
        self._lost: dict[str, bool] = {}
        self._page: Collection[str] | None = None
        self._page_read = False

    def young(self, board: BoardSeen) -> bool:
        """Whether a panel is empty yet whose metric has just had its first sample, as a rate needs two, or rests on one
        that is exported and not stored: new pods may have counted it since they were scraped.
        """
        told = [one for one in board.asked if one.told.ok]
        empty = {name for one in told if not one.told.data[1] for name in names_in(one.expression)}
        return bool(self._young & empty) or any(self._comes(name) for one in told for name in names_in(one.expression))

    def _comes(self, name: str) -> bool:
        there = self._there
        return there is not None and name not in {*there, *self._missed} and name in (self._shown() or ())

    def renew(self) -> None:
        """Look again at what is stored; what has come since is young."""
        there = self._stored_of(self._names)
        if there is not None:
            self._young |= there - (self._there or set())
            self._there = there

    def judged(self, one: Asked) -> Asked:
        if self._there is None or not one.told.ok:
            return one
        absent = [name for name in names_in(one.expression) if name not in self._there]
        lost = tuple(name for name in absent if self._is_lost(name))
        return replace(one, lost=lost, quiet=tuple(name for name in absent if name not in lost))

    def _stored_of(self, names: Collection[str], when: str = "") -> set[str] | None:
        if self._stored is None or not names:
            return None
        told = self._stored.query(f'count by (__name__) ({{__name__=~"{"|".join(names)}"}}{when})')
        return {str(labels.get("__name__")) for labels, _value in told.data} if told.ok else None

    def _is_lost(self, name: str) -> bool:
        """Without a description nothing exports it; what the application has counted should be stored."""
        if name in self._missed:
            return True
        if name not in self._lost:
            page = self._shown()
            self._lost[name] = page is None or name in page or not self._described(name)
        return self._lost[name]

    def _shown(self) -> Collection[str] | None:
        """What the application exports now, read once; None where it could not be asked."""
        if not self._page_read:
            self._page, self._page_read = self._exported(), True
        return self._page

    def _described(self, name: str) -> bool:
        bases = [name, *(name.removesuffix(part) for part in _PARTS if name.endswith(part))]
        return self._stored is not None and any(bool(self._stored.describes(base).data) for base in bases)
