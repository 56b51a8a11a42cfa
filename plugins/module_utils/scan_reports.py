# Reads the reports of image scanners: Trivy, Grype, SARIF, CycloneDX, Trivy Operator's objects, and OpenVEX; pure.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from ansible_collections.bytebot.production.plugins.module_utils.checks.scans_facts import (
    SEVERITIES,
    UNKNOWN,
    Report,
    Vulnerability,
)
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError

Object = Mapping[str, Any]
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_FRACTION = re.compile(r"(\.\d{6})\d+")
# How the words of scanners are told here.
_WORDS = {**{one: one for one in SEVERITIES}, "moderate": "medium", "negligible": "low", "info": "low", "none": "low"}
# The scale of CVSS 3.1, by which SARIF's `security-severity` is read.
_SCORES = ((9.0, "critical"), (7.0, "high"), (4.0, "medium"), (0.1, "low"))
_CLASSES = ("os-pkgs", "lang-pkgs")  # what Trivy calls targets that it looks for packages in
_NO_MATTER = ("not_affected", "fixed", "false_positive", "resolved", "resolved_with_pedigree")  # OpenVEX, CycloneDX


def digests_in(*texts: Any) -> frozenset[str]:
    """Every digest that stands in some texts."""
    return frozenset(one for text in texts for one in _DIGEST.findall(unquote(str(text or ""))))


def reports_of(content: bytes, where: str) -> list[Report]:
    """What a file says of images; several where it has several runs.

    :raises InputError: it is no report, or of a kind that is not known.
    """
    whole = _json(content, where)
    for marks, read in _KINDS:
        if marks(whole):
            try:
                return list(read(whole, where))
            except (AttributeError, TypeError) as exc:
                raise InputError(f"{where} is no report of its form: a part of it is of another kind.") from exc
    raise InputError(f"{where} is no report that is known (Trivy's or Grype's JSON, SARIF, CycloneDX).")


def of_object(found: Object) -> Report | None:
    """What a VulnerabilityReport of the Trivy Operator says; None where it names no digest."""
    meta, report = found.get("metadata") or {}, found.get("report") or {}
    artifact, scanner = report.get("artifact") or {}, report.get("scanner") or {}
    digests = digests_in(artifact.get("digest"))
    if not digests:
        return None
    vulnerabilities = tuple(
        Vulnerability(
            str(one.get("vulnerabilityID")),
            _severity(one.get("severity")),
            str(one.get("resource") or ""),
            str(one.get("installedVersion") or ""),
            str(one.get("fixedVersion") or ""),
        )
        for one in _each(report.get("vulnerabilities"))
    )
    when, looked = _time(report.get("updateTimestamp")), isinstance(report.get("vulnerabilities"), list)
    name = f"VulnerabilityReport {meta.get('name')}"
    image = f"{artifact.get('repository') or ''}:{artifact.get('tag') or ''}".strip(":")
    tool = _tool(scanner.get("name"), scanner.get("version"))
    return Report(name, tool, "object", digests, image, when, looked, vulnerabilities)


def dismissals(content: bytes, where: str) -> dict[tuple[str, str], str]:
    """What an OpenVEX document says last of the vulnerability in the image of a digest: why it does not matter.

    Empty where it does, which takes back what a document before said.

    :raises InputError: it is none.
    """
    whole = _json(content, where)
    if "openvex" not in str(whole.get("@context")):
        raise InputError(f"{where} is no OpenVEX document.")
    told: dict[tuple[str, str], str] = {}
    for one in _each(whole.get("statements")):
        status = str(one.get("status") or "")
        vulnerability = one.get("vulnerability")
        name = str(vulnerability.get("name") if isinstance(vulnerability, Mapping) else vulnerability)
        why = f"{status}: {one.get('justification') or one.get('impact_statement') or one.get('status_notes') or ''}"
        products = one.get("products")
        for digest in digests_in(*(map(_product, products) if isinstance(products, list) else ())):
            if status in _NO_MATTER:
                told[name, digest] = why.rstrip(": ")
            else:
                told[name, digest] = ""  # a later statement that it does matter
    return told


def _product(given: Any) -> str:
    """A product's identifiers as one text; a digest may be part of a package URL, or a hash."""
    if not isinstance(given, Mapping):
        return str(given)
    hashes = (given.get("hashes") or {}) if isinstance(given.get("hashes"), Mapping) else {}
    hashed = " ".join(f"sha256:{value}" for name, value in hashes.items() if str(name).lower() in ("sha256", "sha-256"))
    return f"{given.get('@id')} {given.get('identifiers')} {hashed}"


# ---------------------------------------------------------------------------- the kinds


def _trivy(whole: Object, where: str) -> Iterator[Report]:
    meta = whole.get("Metadata") or {}
    results = list(_each(whole.get("Results")))
    targets = [one for one in results if one.get("Class") in _CLASSES or one.get("Vulnerabilities")]
    found = tuple(
        Vulnerability(
            str(one.get("VulnerabilityID")),
            _severity(one.get("Severity")),
            str(one.get("PkgName") or ""),
            str(one.get("InstalledVersion") or ""),
            str(one.get("FixedVersion") or ""),
        )
        for target in targets
        for one in _each(target.get("Vulnerabilities"))
    )
    version = (whole.get("Trivy") or {}).get("Version")
    named = digests_in(*(meta.get("RepoDigests") or ()))
    digests = named | digests_in(meta.get("ImageID"))
    name = str(whole.get("ArtifactName") or "")
    tool = _tool("Trivy", version)
    yield Report(where, tool, "trivy", digests, name, _time(whole.get("CreatedAt")), bool(targets), found, named)


def _grype(whole: Object, where: str) -> Iterator[Report]:
    descriptor = whole.get("descriptor") or {}
    target = (whole.get("source") or {}).get("target")
    target = target if isinstance(target, Mapping) else {"userInput": target}
    found = tuple(_grype_match(one) for one in _each(whole.get("matches")))
    ignored = tuple(_grype_match(one, _ignored(one)) for one in _each(whole.get("ignoredMatches")))
    asked = str(target.get("userInput") or "")
    named = digests_in(*(target.get("repoDigests") or ()), asked if "@" in asked else "")
    # Of an image that it has from no registry it makes a manifest itself, whose digest no registry has.
    made = digests_in(target.get("manifestDigest"))
    named = named | made if named else named
    digests = named | made | digests_in(target.get("imageID"), asked)
    looked = bool(found or ignored or (whole.get("distro") or {}).get("name"))
    tool = _tool(descriptor.get("name") or "grype", descriptor.get("version"))
    when = _time(descriptor.get("timestamp"))
    yield Report(where, tool, "grype", digests, asked, when, looked, (*found, *ignored), named)


def _grype_match(one: Object, dismissed: str = "") -> Vulnerability:
    vulnerability, artifact = one.get("vulnerability") or {}, one.get("artifact") or {}
    fixed = ", ".join(map(str, (vulnerability.get("fix") or {}).get("versions") or ()))
    return Vulnerability(
        str(vulnerability.get("id")),
        _severity(vulnerability.get("severity")),
        str(artifact.get("name") or ""),
        str(artifact.get("version") or ""),
        fixed,
        dismissed,
    )


def _ignored(one: Object) -> str:
    rules = list(_each(one.get("appliedIgnoreRules")))
    told = [str(rule.get("vex-status") or rule.get("reason") or "") for rule in rules]
    return f"ignored by the scanner's configuration ({', '.join(filter(None, told)) or 'no reason given'})"


def _sarif(whole: Object, where: str) -> Iterator[Report]:
    for run in _each(whole.get("runs")):
        driver = (run.get("tool") or {}).get("driver") or {}
        rules = list(_each(driver.get("rules")))
        by_id = {str(rule.get("id")): rule for rule in rules}
        properties = run.get("properties") or {}
        ends = [one.get("endTimeUtc") for one in _each(run.get("invocations"))]
        found = tuple(_sarif_result(one, by_id, rules) for one in _each(run.get("results")))
        named = digests_in(*(properties.get("repoDigests") or ()))
        yield Report(
            where,
            _tool(driver.get("name"), driver.get("semanticVersion") or driver.get("version")),
            "sarif",
            named | digests_in(properties.get("imageID")),
            str(properties.get("imageName") or ""),
            _time(ends[-1] if ends else None),
            isinstance(run.get("results"), list) and _executed(run, bool(found or (rules and driver.get("name")))),
            found,
            named,
        )


def _executed(run: Object, shown: bool) -> bool:
    """Whether a run says that it was executed; without a word on that, whether its rules or results show it."""
    told = [one.get("executionSuccessful") for one in _each(run.get("invocations"))]
    known = [one for one in told if isinstance(one, bool)]
    return all(known) if known else shown


def _sarif_result(one: Object, by_id: Mapping[str, Object], rules: list[Object]) -> Vulnerability:
    index, name = one.get("ruleIndex"), str(one.get("ruleId") or (one.get("rule") or {}).get("id") or "")
    rule = rules[index] if isinstance(index, int) and 0 <= index < len(rules) else by_id.get(name, {})
    properties = rule.get("properties") or {}
    tags = [str(tag).lower() for tag in properties.get("tags") or ()]
    own = one.get("properties") or {}
    severity = _scored(properties.get("security-severity", own.get("security-severity")))
    if severity == UNKNOWN:
        severity = next((_WORDS[tag] for tag in tags if tag in SEVERITIES), UNKNOWN)
    kept = [item for item in _each(one.get("suppressions")) if item.get("status") not in ("rejected", "underReview")]
    why = f"suppressed ({kept[0].get('justification') or 'no reason given'})" if kept else ""
    return Vulnerability(name or str(rule.get("id")), severity, dismissed=why)


def _cyclonedx(whole: Object, where: str) -> Iterator[Report]:
    meta = whole.get("metadata") or {}
    component = meta.get("component") or {}
    images, repositories = (
        [one.get("value") for one in _each(component.get("properties")) if str(one.get("name")).endswith(end)]
        for end in ("ImageID", "RepoDigest")
    )
    named = digests_in(component.get("purl"), *repositories)
    found = tuple(_cyclonedx_one(one) for one in _each(whole.get("vulnerabilities")))
    yield Report(
        where,
        _cyclonedx_tool(meta.get("tools")),
        "cyclonedx",
        named | digests_in(component.get("version"), *images),
        str(component.get("name") or ""),
        _time(meta.get("timestamp")),
        isinstance(whole.get("vulnerabilities"), list) and bool(found or whole.get("components")),
        found,
        named,
    )


def _cyclonedx_tool(tools: Any) -> str:
    listed = list(_each(tools.get("components") if isinstance(tools, Mapping) else tools))
    return _tool(listed[0].get("name"), listed[0].get("version")) if listed else "a tool that it does not name"


def _cyclonedx_one(one: Object) -> Vulnerability:
    rated = [_rating(rating) for rating in _each(one.get("ratings"))]
    known = [severity for severity in SEVERITIES if severity in rated]
    analysis = one.get("analysis") or {}
    state = str(analysis.get("state") or "")
    why = analysis.get("justification") or analysis.get("detail") or ""
    affects = [str(item.get("ref")) for item in _each(one.get("affects"))]
    return Vulnerability(
        str(one.get("id")),
        known[0] if known else UNKNOWN,
        affects[0] if affects else "",
        dismissed=f"{state}: {why}".rstrip(": ") if state in _NO_MATTER else "",
    )


def _rating(rating: Object) -> str:
    """How severe it is in a rating's own word, else by its score, where that is one of CVSS 3 or 4."""
    told = _severity(rating.get("severity"))
    by_score = str(rating.get("method")).startswith(("CVSSv3", "CVSSv4"))
    return _scored(rating.get("score")) if told == UNKNOWN and by_score else told


_KINDS: tuple[tuple[Callable[[Object], bool], Callable[[Object, str], Iterator[Report]]], ...] = (
    (lambda one: "SchemaVersion" in one and "ArtifactName" in one, _trivy),
    (lambda one: "matches" in one and "descriptor" in one, _grype),
    (lambda one: "runs" in one and str(one.get("version", "")).startswith("2.1"), _sarif),
    (lambda one: one.get("bomFormat") == "CycloneDX", _cyclonedx),
)

# ---------------------------------------------------------------------------- small things


def _json(content: bytes, where: str) -> Object:
    try:
        whole = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as exc:
        raise InputError(f"{where} is no JSON.") from exc
    if not isinstance(whole, Mapping):
        raise InputError(f"{where} is JSON and no report: it is no object.")
    return whole


def _each(given: Any) -> Iterable[Object]:
    return (one for one in given if isinstance(one, Mapping)) if isinstance(given, list) else ()


def _severity(given: Any) -> str:
    return _WORDS.get(str(given or "").lower(), UNKNOWN)


def _scored(given: Any) -> str:
    try:
        score = float(given)
    except (TypeError, ValueError):
        return UNKNOWN
    return next((name for least, name in _SCORES if score >= least), "low")


def _tool(name: Any, version: Any) -> str:
    return f"{name or 'a tool without a name'} {version or ''}".strip()


def _time(given: Any) -> datetime | None:
    """A time of RFC 3339, whose fraction may have nine digits; without a zone it is UTC."""
    try:
        found = datetime.fromisoformat(_FRACTION.sub(r"\1", str(given)))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
