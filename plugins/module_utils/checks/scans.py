# Judges the images that run by the reports of scanners on exactly their digests.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from ansible_collections.bytebot.production.plugins.module_utils.checks.scans_facts import (
    SCAN_AGE,
    SEVERITIES,
    UNKNOWN,
    Report,
    Running,
    ScanFacts,
    Vulnerability,
    Waiver,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.watch import Found
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.module_utils.model import Evidence, Verdict, pending

SCANNED = "security_configuration.containers.scanned"
TOMORROW = timedelta(hours=26)  # a clock elsewhere may be of another zone
_NEVER = datetime.min.replace(tzinfo=UTC)
_SHOWN = 3
_KEPT = 200  # findings in the evidence
_SCAN = "Scan the image by its digest, and name the report (in the inventory: bytebot_scan_reports)."
_AGAIN = "Scan again with today's database of vulnerabilities."
_MEND = "Build the image anew with the fixed packages, or waive a finding with owner, reason and end."
_LIST = "Let the scanner list all packages (Trivy: --list-all-pkgs)."
_EXECUTED = (
    "Use a form that shows what was looked at, as the scanner's own JSON, or one that says that it was executed."
)
_READ = "Make it readable for this account, or name it no more."
_NAME = "Name the report that the scanner wrote, as it wrote it."

CHECKS: Checks[ScanFacts] = Checks()


@CHECKS.settles(SCANNED)
def scanned(facts: ScanFacts) -> Verdict:
    """Each digest that runs has a report that is young, and in it nothing severe is open."""
    if facts.refused:
        return pending(f"Which images run is not known: {facts.refused}", "Grant list on pods to this account.")
    if not facts.images and not facts.unknown:
        return pending(f"No container runs in namespace {facts.namespace}.", "Deploy the release.")
    if not facts.said and not facts.reports:
        return pending(
            f"Needs input reports: nothing says where the reports of a scanner are ({facts.objects}).",
            "Name them (in the inventory: bytebot_scan_reports), or let the Trivy Operator keep them in the namespace.",
        )
    found, used = Found(), dict[str, list[Report]]()
    for problem in facts.bad:
        found.wrong(problem, _NAME)
    for place in facts.unread:
        found.unknown(place, _READ)
    for container in facts.unknown:
        found.unknown(f"the digest that {container} runs is not known yet", "Wait until it has started.")
    for image in facts.images:
        used[image.digest] = newest(facts.reports, image.digest)
        _image(found, facts, image, used[image.digest])
    # It may excuse what is red here, and may take back what another one excuses.
    tell = found.wrong if found.problems else found.unknown
    for document in facts.unread_vex:
        tell(f"the VEX document {document}", _READ)
    waived = list(_waived(facts, used))
    reports = [one for listed in used.values() for one in listed]
    return found.verdict(
        f"Images of namespace {facts.namespace}",
        f"each of the {len(facts.images)} digests that run has a report ({_tools(reports)}), the oldest of "
        f"{_oldest(reports)}, and nothing {_threshold(facts)} is open in them",
        [_evidence(facts, used)],
        [*_weaker(facts), *waived],
    )


def newest(reports: tuple[Report, ...], digest: str) -> list[Report]:
    """Of each tool the newest report on a digest; one without a time counts as the oldest.

    What stands in one file was made together, such as a run for each part of an image, and counts together.
    """
    about = sorted((one for one in reports if digest in one.digests), key=lambda one: one.when or _NEVER)
    latest = {_tool(one): one.where for one in about}
    return [one for one in about if latest[_tool(one)] == one.where]


def _tool(report: Report) -> str:
    return report.tool.partition(" ")[0].lower()


def _image(found: Found, facts: ScanFacts, image: Running, reports: list[Report]) -> None:
    if not reports:
        if not facts.unread:
            found.wrong(f"no report is about {image}, which runs in {_few(image.where)}{_others(facts, image)}", _SCAN)
        return
    if not any(one.looked for one in reports):
        found.unknown(
            f"the report {reports[0].where} on {image.name} shows nothing that was looked at",
            _EXECUTED if reports[0].kind == "sarif" else _LIST,
        )
    for one in (one for one in reports if one.rates_nothing):
        found.unknown(
            f"the report {one.where} on {image.name} has {len(one.found)} findings and tells of none how severe it is",
            "Use a form that tells how severe each is, as the scanner's own JSON.",
        )
    _age(found, facts, image, reports)
    for severity in SEVERITIES:
        if facts.counts(severity) and (still := _open(facts, image, reports, severity)):
            told = ", ".join(map(str, still[:_SHOWN])) + (f" and {len(still) - _SHOWN} more" if still[_SHOWN:] else "")
            found.wrong(f"{image.name} has {len(still)} open {severity} findings: {told}", _MEND)
    for waiver in _ended(facts, image, reports):
        found.wrong(f"the waiver of {waiver.id} by {waiver.owner} ended on {waiver.until}", _MEND)


def _age(found: Found, facts: ScanFacts, image: Running, reports: list[Report]) -> None:
    dated = [one for one in reports if one.when]
    if not dated:
        found.unknown(
            f"the report {reports[0].where} on {image.name} does not say when it was made",
            "Say it beside the report (scanned), or use a form that tells it.",
        )
        return
    last = max(dated, key=lambda one: one.when or facts.now)
    age = facts.now - (last.when or facts.now)
    if age < -TOMORROW:
        found.wrong(f"the report {last.where} on {image.name} is of {_day(last)}, which is to come", _AGAIN)
    elif age > timedelta(days=facts.max_age):
        found.wrong(
            f"the report {last.where} on {image.name} is of {_day(last)}, {age.days} days ago, and at most "
            f"{facts.max_age} are wanted",
            _AGAIN,
        )


# ---------------------------------------------------------------------------- findings


def _counted(facts: ScanFacts, image: Running, reports: list[Report]) -> Iterator[Vulnerability]:
    """What is too severe, and neither the report nor a VEX document dismisses; what two tools found counts once."""
    seen: set[tuple[str, str]] = set()
    for one in (finding for report in reports for finding in report.found):
        key = (one.id, one.package)
        if facts.counts(one.severity) and not one.dismissed and key not in seen:
            seen.add(key)
            if (one.id, image.digest) not in facts.excused:
                yield one


def _open(facts: ScanFacts, image: Running, reports: list[Report], severity: str) -> list[Vulnerability]:
    return [
        one
        for one in _counted(facts, image, reports)
        if one.severity == severity
        and not any(waiver.covers(one, image) and waiver.holds(facts.today) for waiver in facts.waivers)
    ]


def _ended(facts: ScanFacts, image: Running, reports: list[Report]) -> list[Waiver]:
    """Waivers that would cover what is open, if they had not run out."""
    still = [one for severity in SEVERITIES for one in _open(facts, image, reports, severity)]
    return [waiver for waiver in facts.waivers if any(waiver.covers(one, image) for one in still)]


def _waived(facts: ScanFacts, used: dict[str, list[Report]]) -> Iterator[str]:
    """Each waiver that acts, in words, and so in every report."""
    for waiver in facts.waivers:
        acts = any(
            waiver.covers(one, image) for image in facts.images for one in _counted(facts, image, used[image.digest])
        )
        if acts and waiver.holds(facts.today):
            yield f"{waiver.id} waived until {waiver.until} by {waiver.owner}: {waiver.reason}"


def _weaker(facts: ScanFacts) -> Iterator[str]:
    if facts.max_age > SCAN_AGE:
        yield f"a scan of at most {facts.max_age} days ago wanted, usual: {SCAN_AGE}"


# ---------------------------------------------------------------------------- words and evidence


def _threshold(facts: ScanFacts) -> str:
    return facts.threshold if facts.threshold == SEVERITIES[0] else f"{facts.threshold} or worse"


def _others(facts: ScanFacts, image: Running) -> str:
    """What a report of the same image by another digest is: of another build."""
    others = [one for one in facts.reports if one.image and _repository(one.image) == _repository(image.name)]
    return f"; {others[0].where} is about another build of it" if others else ""


def _repository(name: str) -> str:
    """The last part of an image's name, without tag and digest."""
    return name.partition("@")[0].rsplit("/", 1)[-1].partition(":")[0]


def _few(texts: tuple[str, ...]) -> str:
    return ", ".join(texts[:_SHOWN]) + (f" and {len(texts) - _SHOWN} more" if texts[_SHOWN:] else "")


def _tools(reports: list[Report]) -> str:
    return ", ".join(dict.fromkeys(one.tool for one in reports))


def _day(report: Report) -> str:
    return report.when.date().isoformat() if report.when else "an unknown day"


def _oldest(reports: list[Report]) -> str:
    return min((_day(one) for one in reports if one.when), default="an unknown day")


def _evidence(facts: ScanFacts, used: dict[str, list[Report]]) -> Evidence:
    kept = [one for listed in used.values() for one in listed]
    observed = {
        "images": {one.digest: {"name": one.name, "runs_in": list(one.where)} for one in facts.images},
        "reports": [_told(one) for one in dict.fromkeys(kept)],
        "reports_on_other_images": len([one for one in facts.reports if one not in kept]),
        "report_objects": facts.objects,
        "not_read": [*facts.unread, *facts.unread_vex],
        "waivers": [f"{one.id} until {one.until} by {one.owner}: {one.reason}" for one in facts.waivers],
        "dismissed_by_vex": sorted(name for name, digest in facts.excused if digest in used),
        "threshold": facts.threshold,
        "max_age_days": facts.max_age,
    }
    return Evidence(f"running images of namespace {facts.namespace} and the reports on them", observed, facts.at)


def _told(report: Report) -> dict[str, object]:
    count = Counter(one.severity for one in report.found if not one.dismissed)
    severe = [one for one in report.found if one.severity in SEVERITIES[:2]]
    return {
        "where": report.where,
        "form": report.kind,
        "tool": report.tool,
        "scanned": report.when.isoformat() if report.when else None,
        "digests": sorted(report.digests),
        "counts": {severity: count[severity] for severity in (*SEVERITIES, UNKNOWN)},
        "severe": [{"what": str(one), "severity": one.severity, "dismissed": one.dismissed} for one in severe[:_KEPT]],
    }
