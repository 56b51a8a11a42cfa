# Writes the results as one page that needs nothing else: gate, difference, every control with its evidence.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ansible_collections.bytebot.production.plugins.plugin_utils.record.history import Earlier
from ansible_collections.bytebot.production.plugins.plugin_utils.render import figures, view
from ansible_collections.bytebot.production.plugins.plugin_utils.render.charts import charts
from ansible_collections.bytebot.production.plugins.plugin_utils.render.view import Look

TEMPLATES = Path(__file__).resolve().parent / "templates"
TEMPLATE = "report.html.j2"
MANY_CHANGES = 8  # more of them are folded away
MINUTE_S = 60
LONGEST = 100_000  # letters of one text; all of it is in results.json
# Control letters except tab and line feed, what turns the direction of writing, what is not seen, halves of a pair.
_ACTING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
DECISIONS: Mapping[str, Look] = {
    "open": Look("✓", "The gate is open"),
    "shut": Look("✕", "The gate is shut"),
    "not_assessed": Look("○", "The gate was not assessed"),
}
STAGES: Mapping[str, str] = {
    "preflight": "preflight",
    "deploy": "deploy",
    "validate": "validation",
    "operations": "operations",
    "sign_off": "sign-off",
    "t_minus_2h": "T-2 hours",
    "t_zero": "T-0",
    "t_plus_30m": "T+30 minutes",
    "t_plus_2h": "T+2 hours",
    "day": "first day",
    "week": "first week",
    "month": "first month",
}


def render(document: Mapping[str, Any], history: Sequence[Earlier] = ()) -> str:
    """The page for a results document. Whatever the document says is shown as text, never as markup or template.

    :param history: earlier runs of the environment, the newest first.
    """
    plain = _complete(json.loads(json.dumps(document, default=str)))  # no object that calls itself safe markup is left
    controls = plain["controls"]
    every = [*controls, *plain["own_controls"]]
    changes = list(view.changes(plain))
    return (
        _environment()
        .get_template(TEMPLATE)
        .render(
            document=plain,
            total=len(controls),
            bar_segments=view.segments(controls),
            sections=[*view.sections(controls), *view.sections(plain["own_controls"])],
            changes=changes,
            was={change["id"]: change["from"] for change in changes},
            about={control["id"]: view.about(control, plain["environment"]["name"]) for control in every},
            spells={control["id"]: view.spells(control["id"], history) for control in every},
            signatures=list(view.signatures(every)),
            figures=figures.overview(plain),
            states=view.STATES,
            decision=DECISIONS[plain["gate"]["decision"]],
            stages=STAGES,
            many_changes=MANY_CHANGES,
        )
    )


def _complete(document: dict[str, Any]) -> dict[str, Any]:
    """The document with what may be left out, so that the template can be strict."""
    document["run"] = {"requester": "not recorded", "collection_version": "", "defects": [], **document["run"]}
    document["run"] = {"demo": False, "approval": None, **document["run"]}
    document["gate"] = {"notes": [], **document["gate"]}
    for name in ("controls", "own_controls"):
        document[name] = [
            {"weaker": [], "expires": None, "waiver": None, **control} for control in document.get(name, ())
        ]
    return document


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(bars=figures.bars, charts=charts, csp=_csp, pretty=_pretty, named=_named)
    environment.filters.update(moment=_moment, span=_span, resumed=_resumed)
    return environment


# ---------------------------------------------------------------------- filters


def _shown(value: Any) -> Any:
    """What is put into the page: letters that act on what stands around them are named, and no text is endless."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    rest = len(value) - LONGEST
    text = f"{value[:LONGEST]}… ({rest} more letters are in results.json)" if rest > 0 else value
    return _ACTING.sub(lambda found: f"[U+{ord(found[0]):04X}]", text)


def _named(text: str, known: Mapping[str, Any]) -> tuple[str, str]:
    """The control with which a line of the gate begins, and the rest; no control where it begins with none."""
    first, blank, rest = str(text).partition(" ")
    return (first, f"{blank}{rest}") if first in known else ("", str(text))


def _csp(text: str) -> str:
    """The hash by which a content security policy permits one inline style or script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(str(text).encode()).digest()).decode()}'"


def _pretty(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)


def _moment(text: str | None) -> str:
    """RFC 3339 as a person reads it; what is none is shown as it is."""
    if not text:
        return "not yet"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    if moment.tzinfo is None:
        return text
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "not measured"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < MINUTE_S:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def _resumed(how_often: Any) -> str:
    """Times of resuming, given as their number, as a list, or as a truth."""
    number = len(how_often) if isinstance(how_often, list) else int(how_often or 0)
    return {0: "no", 1: "once"}.get(number, f"{number} times")
