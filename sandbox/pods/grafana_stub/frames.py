# Prometheus' answers as data frames.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

TYPES = {"matrix": "timeseries-multi", "vector": "numeric-multi", "scalar": "numeric-multi"}
NOT_JSON = {"nan": "NaN", "inf": "Inf", "-inf": "NegInf"}


def frames(ref: str, expression: str, data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One frame for each series; none for none."""
    kind, found = data["resultType"], data["result"]
    if kind == "scalar":
        return [_frame(ref, expression, kind, {}, [found])]
    return [
        _frame(ref, expression, kind, one["metric"], one["values"] if kind == "matrix" else [one["value"]])
        for one in found
    ]


def _frame(
    ref: str, expression: str, kind: str, labels: Mapping[str, str], samples: Sequence[Sequence[Any]]
) -> dict[str, Any]:
    times = [round(float(time) * 1000) for time, _ in samples]
    values = [float(value) for _, value in samples]
    shown = [value if math.isfinite(value) else None for value in values]
    odd: dict[str, list[int]] = {}
    for index, value in enumerate(values):
        if not math.isfinite(value):
            odd.setdefault(NOT_JSON[str(value)], []).append(index)
    data: dict[str, Any] = {"values": [times, shown]}
    if odd:
        data["entities"] = [None, odd]
    return {
        "schema": {
            "refId": ref,
            "meta": {"type": TYPES[kind], "typeVersion": [0, 1], "executedQueryString": f"Expr: {expression}"},
            "fields": [
                {"name": "Time", "type": "time", "typeInfo": {"frame": "time.Time"}},
                {
                    "name": labels.get("__name__", "Value"),
                    "type": "number",
                    "typeInfo": {"frame": "float64"},
                    "labels": {name: value for name, value in labels.items() if name != "__name__"},
                },
            ],
        },
        "data": data,
    }
