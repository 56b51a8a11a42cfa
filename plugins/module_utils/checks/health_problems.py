# What may be wrong with an answer of a health route, a metrics page or a public address, and what to do about it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
import itertools
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.bytebot.production.plugins.module_utils.checks.answers import NO_BACKEND
from ansible_collections.bytebot.production.plugins.module_utils.checks.bodies import (
    PROCESS,
    SHOWN,
    Scrape,
    holds,
    is_exposition,
    json_object,
    quoted,
    table,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.health_facts import (
    Endpoint,
    Movement,
    Policy,
    Problem,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import REDIRECTS, Answer, shown_url

DONE = frozenset({"completed", "listening", "connected"})  # what a finished initialization step says
MIGRATIONS = "database_migrations"
_DEFAULT_PAGES = {
    "404 page not found": "the ingress's own page for an unknown host or path (Traefik, Go)",
    "default backend - 404": "the ingress's default backend (nginx)",
    "welcome to nginx!": "nginx's welcome page",
    "<center>nginx</center>": "nginx's own error page",
    "no available server": "the ingress's own page for a Service without endpoints (Traefik)",
    "no healthy upstream": "the proxy's own page for a Service without endpoints (Envoy)",
    "application is not available": "the router's own page for an unknown host (OpenShift)",
}
_REMEDY = {
    "dns": "Create the DNS record, or give the address by the input resolve until it exists.",
    "refused": "Check that the ingress controller runs and that its address and port are published.",
    "unreachable": "Check the network and the firewall between here and the ingress.",
    "timeout": "Check the load of the application and the network; raise timeout only if this time is acceptable.",
    "protocol": "Check that an HTTP server listens at this address.",
    "too_large": "Check the path: such an answer is not to be expected there.",
    "expired": "Renew the certificate and put it into the TLS Secret of the Ingress.",
    "not_yet_valid": "Check the clocks and the certificate's start.",
    "hostname": "Put a certificate for this host into the TLS Secret that the Ingress names for it.",
    "unknown_ca": "Install a chain to a trusted CA (without its Secret an ingress shows its own), or give ca_file.",
    "revoked": "Replace the certificate.",
    "certificate": "Replace the certificate by one that verifies.",
    "handshake": "Check that the port speaks TLS, in a version of 1.2 or later.",
}
_NO_BACKEND = (
    "The ingress has no ready backend, or the application says it is not ready: look at its pods and their log."
)
_CLOSED = "This address must answer without a token: check authentication and the ingress's access rules."
_STATUS_REMEDY = {
    **dict.fromkeys(NO_BACKEND, _NO_BACKEND),
    **dict.fromkeys((401, 403), _CLOSED),
    **dict.fromkeys(REDIRECTS, "Give the address that answers itself; redirects are not followed."),
    404: "Check the path and the Ingress's rules.",
}


def live_problems(answer: Answer, policy: Policy) -> list[Problem]:
    """Contract, health: status, timestamp, uptime, version, pid."""
    problems = document_problems(answer, policy)
    if problems:
        return problems
    said = json_object(answer)
    if not _number(said.get("uptime")) or said["uptime"] < 0:
        problems.append(_unlike(answer, "uptime", said, "a number of seconds"))
    if not _whole(said.get("pid")) or said["pid"] < 1:
        problems.append(_unlike(answer, "pid", said, "a process id"))
    return problems + _version_problems(answer, said, policy.version)


def _version_problems(answer: Answer, said: Mapping[str, Any], wanted: str) -> list[Problem]:
    version = said.get("version")
    if not isinstance(version, str) or not version:
        return [_unlike(answer, "version", said, "a text")]
    if wanted and version != wanted:
        what = f"{shown_url(answer.url)} is answered by version {quoted(version)}, and {quoted(wanted)} is wanted."
        return [Problem(what, "Check which image runs and that no older release or cache answers for this host.")]
    return []


def ready_problems(answer: Answer, policy: Policy) -> list[Problem]:
    """Contract, health: status, timestamp, and every dependency ok, those that must be there and any other."""
    problems = document_problems(answer, policy)
    checks, url = table(answer, "checks"), shown_url(answer.url)
    if problems:
        return problems + _named_causes(checks)
    for name in sorted({*policy.dependencies, *checks}):
        entry = checks.get(name)
        state = entry.get("status") if isinstance(entry, dict) else None
        if name not in checks:
            what = f"{url} does not name the dependency {shown_name(name)}."
            problems.append(Problem(what, "The readiness route must test it and report it; or correct dependencies."))
        elif state != "ok":
            what = f"{url} says ready although its dependency {shown_name(name)} has status {quoted(state)}."
            problems.append(
                Problem(what, f"Repair {shown_name(name)}; and the route must answer 503 while it is down.")
            )
    return problems


def _named_causes(checks: Mapping[str, Any]) -> list[Problem]:
    """The dependencies that an answer of "not ready" itself names."""
    down = [
        shown_name(name)
        for name, entry in sorted(checks.items())
        if isinstance(entry, dict) and entry.get("status") != "ok"
    ]
    return [Problem(f"It names {', '.join(down)} as not ok.", f"Repair {', '.join(down)}.")] if down else []


def startup_problems(answer: Answer, policy: Policy) -> list[Problem]:
    """Contract, health: status, timestamp, and every initialization step finished, migrations among them."""
    problems = document_problems(answer, policy)
    if problems:
        return problems
    steps, url = table(answer, "initialization"), shown_url(answer.url)
    if steps.get(MIGRATIONS) != "completed":
        what = f"{url} says {MIGRATIONS} is {quoted(steps.get(MIGRATIONS))}, and not completed."
        problems.append(Problem(what, "Look at the migration Job and the application's log; run the migrations."))
    for name, state in sorted(steps.items()):
        if name != MIGRATIONS and not (isinstance(state, str) and state in DONE):
            what = (
                f"{url} says the step {shown_name(name)} is {quoted(state)}; {', '.join(sorted(DONE))} would be done."
            )
            problems.append(Problem(what, "Look at the application's log for why this step does not finish."))
    return problems


def metrics_problems(answer: Answer, page: Scrape, policy: Policy) -> list[Problem]:
    """One metrics page by itself: type, syntax, families."""
    problems = answer_problems(answer, policy)
    if problems:
        return problems
    url, kind = shown_url(answer.url), answer.headers.get("content-type", "")
    if not is_exposition(kind):
        what = f"{url} answered with content type {quoted(kind)}, which is no exposition format."
        return [Problem(what, "Serve text/plain; version=0.0.4 or application/openmetrics-text; check the path.")]
    if page.problem:
        what = f"{url} cannot be read as metrics: {page.problem}."
        return [Problem(what, "Check what is served there; Prometheus would drop this scrape too.")]
    missing = sorted({*policy.families, policy.moving_metric} - page.families)
    if missing:
        what = f"{url} lacks the metric families {', '.join(missing)} (it has {len(page.families)} other names)."
        return [Problem(what, "Export them, else the dashboards and alert rules that use them stay silent.")]
    return []


def endpoint_problems(answer: Answer, wanted: Endpoint, policy: Policy) -> list[Problem]:
    """A public address: https by name, the status, and the mark of the expected application."""
    parts, url = urlsplit(wanted.url), shown_url(wanted.url)
    if parts.scheme != "https":
        return [Problem(f"{url} is not https, so no certificate proves who answers.", "Give the https address.")]
    if _is_address(parts.hostname or ""):
        return [Problem(f"{url} is an address and not a name.", "Give the name under which users reach it.")]
    problems = answer_problems(answer, policy, wanted.status)
    if problems:
        return problems
    if wanted.contains and wanted.contains not in answer.body:
        what = f"{url} answered {answer.status} without the expected text {quoted(wanted.contains)}{_whose(answer)}."
        problems.append(Problem(what, "Another application answers for this host: check the Ingress's backends."))
    if wanted.jmespath and not holds(wanted.jmespath, answer):
        what = f"{url} answered {answer.status}, but {wanted.jmespath} does not hold in its body{_whose(answer)}."
        problems.append(Problem(what, "Another application or state answers: check the Ingress's backends."))
    return problems


def document_problems(answer: Answer, policy: Policy) -> list[Problem]:
    """What every health route must do: answer 200 with a JSON object that says ok, and says it now."""
    problems = answer_problems(answer, policy)
    if problems:
        return problems
    url, said = shown_url(answer.url), json_object(answer)
    if not said:
        what = f"{url} answered {answer.status}, but its body is not the promised JSON object{_whose(answer)}."
        return [Problem(what, "Check the path and which application answers for this host.")]
    if said.get("status") != "ok":
        what = f"{url} answered {answer.status}, but its body says status {quoted(said.get('status'))}."
        return [Problem(what, "Healthy is code and body: look at the application's log, and let it answer 503 then.")]
    return _timestamp_problems(answer, said.get("timestamp"), policy.max_skew)


def answer_problems(answer: Answer, policy: Policy, status: int = 200) -> list[Problem]:
    """Whether an answer came at all, with the wanted status, in time."""
    url = shown_url(answer.url)
    if answer.failure:
        remedy = _REMEDY.get(answer.failure.why) or _REMEDY.get(answer.failure.kind, "")
        return [Problem(f"{url} gave no answer: {answer.failure.sentence}", remedy)]
    if answer.status != status:
        what = f"{url} answered {answer.status} where {status} is promised{_whose(answer)}."
        return [Problem(what, _STATUS_REMEDY.get(answer.status, "Look at the application's log."))]
    if answer.elapsed_s > policy.max_seconds:
        what = f"{url} took {answer.elapsed_s:.2f} s, and {policy.max_seconds:g} s are allowed."
        return [Problem(what, "Check the load of the application and of what it depends on.")]
    return []


def movement_problem(moved: Movement, metric: str) -> tuple[Problem | None, bool]:
    """Whether a counter grew with the requests made; and whether a No is certain.

    Behind one address may stand several processes, each with its own counter. Where the pages tell them apart, growth
    is summed per process; where they do not, only a counter that never falls can be one process's.
    """
    if not moved.made or not moved.before or not moved.after:
        return Problem(f"{metric} could not be compared over known requests.", "Repeat the probe."), False
    if not all(_never_falls(values) for values in _by_process(moved).values()):
        what = f"{metric} goes up and down between scrapes: processes answer that {PROCESS} does not tell apart."
        return Problem(what, f"Export {PROCESS} and _created, or give a metrics_path that reaches one pod."), False
    grown = growth(moved)
    if grown >= moved.made:
        return None, True
    what = f"{metric} grew by {grown:g} while {moved.made} requests were made"
    if set(dict(moved.before)) != set(dict(moved.after)):
        return Problem(f"{what}; not every process could be scraped twice.", "Repeat when no rollout runs."), False
    return Problem(f"{what}.", "The page is stale (a cache or a copy), or these requests are not counted."), True


def _by_process(moved: Movement) -> dict[str, list[float]]:
    series: dict[str, list[float]] = {}
    for process, value in (*moved.before, *moved.after):
        series.setdefault(process, []).append(value)
    return series


def growth(moved: Movement) -> float:
    before, after = dict(moved.before), dict(moved.after)  # the last value of each process
    return sum(max(after[process] - before[process], 0.0) for process in before.keys() & after.keys())


def _never_falls(values: list[float]) -> bool:
    return all(earlier <= later for earlier, later in itertools.pairwise(values))


def _timestamp_problems(answer: Answer, stamp: Any, skew: float) -> list[Problem]:
    url = shown_url(answer.url)
    try:
        at = datetime.fromisoformat(stamp)
    except (ValueError, TypeError):
        at = None
    if at is None or at.tzinfo is None:
        what = f"{url} has the timestamp {quoted(stamp)}, which is no time with a zone (RFC 3339)."
        return [Problem(what, "Let the route give the time of the answer in RFC 3339.")]
    age = answer.at - at.timestamp()
    if abs(age) > skew:
        where = f"{age:.0f} s old" if age > 0 else f"{-age:.0f} s in the future"
        what = f"{url} gave an answer that is {where} by its timestamp; {skew:g} s are allowed."
        return [Problem(what, "Look for a cache in front of the application, and compare the clocks.")]
    return []


def _unlike(answer: Answer, key: str, said: Mapping[str, Any], wanted: str) -> Problem:
    what = f"{shown_url(answer.url)} has {key} {quoted(said.get(key))}, and {wanted} is promised."
    return Problem(what, "Let the route give all that its contract names; check which application answers.")


def _whose(answer: Answer) -> str:
    text = answer.body[:4000].lower()
    found = next((whose for mark, whose in _DEFAULT_PAGES.items() if mark in text), "")
    return f": {found} answers" if found else ""


def shown_name(text: str) -> str:
    return text if text.isprintable() and 0 < len(text) <= SHOWN else quoted(text)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
