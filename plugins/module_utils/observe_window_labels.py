# Asks whether any alert could have the labels by which alerts are chosen: else their silence tells nothing.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.clients.prometheus import Prometheus
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import Told


def can_have(server: Prometheus, rules: Iterable[Mapping[str, Any]], labels: Mapping[str, str], at: float) -> Told:
    """Whether an alert of some rules can have these labels: by the rule's own, or by those of a series."""
    wanted = {frozenset(rest.items()): rest for rule in rules if (rest := _left(rule, labels)) is not None}
    if frozenset() in wanted:
        return Told(data=True)
    for rest in wanted.values():
        matchers = ", ".join(f'{label}="{quoted(text)}"' for label, text in rest.items())
        told = server.query(f"count({{{matchers}}})", at)
        if not told.ok or told.data:
            return replace(told, data=True) if told.ok else told
    return Told(data=False)


def quoted(text: str) -> str:
    """A text as PromQL has it within quotation marks."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _left(rule: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, str] | None:
    """The labels that a series must have, as the rule itself has the others; None where it has another of them."""
    own = {str(name): str(text) for name, text in (rule.get("labels") or {}).items()}
    fixed = {name: text for name, text in own.items() if name in labels and "{{" not in text}
    if any(text != labels[name] for name, text in fixed.items()):
        return None
    return {name: text for name, text in labels.items() if name not in fixed}
