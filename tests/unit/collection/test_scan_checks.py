# Images that run are judged by the reports on exactly their digests: forms of reports, age, open findings, waivers.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.scans import scanned
from ansible_collections.bytebot.production.plugins.module_utils.checks.scans_facts import (
    Report,
    Running,
    ScanFacts,
    Vulnerability,
    Waiver,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.documents import Documents
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError, NotPermitted, NotThere
from ansible_collections.bytebot.production.plugins.module_utils.observe_scans import (
    FORMATS,
    Given,
    Scope,
    observe,
    running,
)
from ansible_collections.bytebot.production.plugins.module_utils.scan_reports import dismissals, of_object, reports_of
from ansible_collections.bytebot.production.plugins.modules import image_scan_check

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
OURS, OTHER = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
NAME = "registry.shop.test/shop/api"
IMAGE = Running(OURS, f"{NAME}:1.0.0", ("pod api-1 container api",))
BAD = Vulnerability("CVE-2026-1", "critical", "libx", "1.0", "1.1")
CLEAN = Report("scans/api.json", "Trivy 0.60", "trivy", frozenset({OURS}), NAME, NOW - timedelta(days=1))
FOUND = replace(CLEAN, found=(BAD,))
HIGH = replace(FOUND, found=(replace(BAD, severity="high"),))
UNRATED = replace(FOUND, found=(replace(BAD, severity="unknown"),))
WAIVER = Waiver("CVE-2026-1", "Jane Roe", "It is not called", "2026-12-31")
FACTS = ScanFacts("shop", (IMAGE,), said=True, reports=(CLEAN,), now=NOW)


@pytest.mark.parametrize(
    ("changes", "state", "told"),
    [
        ({}, "pass", "each of the 1 digests that run has a report (Trivy 0.60), the oldest of 2026-11-29"),
        ({"refused": "Pods may not be listed."}, "pending", "Which images run is not known"),
        ({"images": ()}, "pending", "No container runs in namespace shop"),
        ({"said": False, "reports": ()}, "pending", "Needs input reports"),
        ({"unknown": ("pod api-2 container api",)}, "pending", "pod api-2 container api runs is not known yet"),
        ({"reports": ()}, "fail", f"no report is about {NAME}:1.0.0"),
        ({"reports": (replace(CLEAN, digests=frozenset({OTHER})),)}, "fail", "scans/api.json is about another build"),
        ({"reports": (), "unread": ("scans/api.json cannot be read",)}, "pending", "scans/api.json cannot be read"),
        ({"unread": ("scans/grype.json cannot be read",)}, "pending", "scans/grype.json cannot be read"),
        ({"unread_vex": ("vex.json cannot be read",)}, "pending", "the VEX document vex.json cannot be read"),
        ({"unread_vex": ("vex.json cannot be read",), "reports": ()}, "fail", "no report is about"),
        ({"unread_vex": ("vex.json cannot be read",), "reports": (FOUND,)}, "fail", "the VEX document vex.json cannot"),
        ({"reports": (replace(UNRATED, kind="sarif"),)}, "pending", "tells of none how severe it is"),
        ({"reports": (UNRATED,)}, "pass", "nothing critical"),
        ({"reports": (replace(HIGH, kind="sarif", found=HIGH.found + UNRATED.found),)}, "pass", "nothing critical"),
        ({"bad": ("scans/x.json is no JSON",)}, "fail", "scans/x.json is no JSON"),
        ({"reports": (replace(CLEAN, looked=False),)}, "pending", "shows nothing that was looked at"),
        ({"reports": (replace(CLEAN, when=None),)}, "pending", "does not say when it was made"),
        ({"reports": (replace(CLEAN, when=NOW - timedelta(days=8)),)}, "fail", "8 days ago, and at most 7 are wanted"),
        ({"reports": (replace(CLEAN, when=NOW + timedelta(days=3)),)}, "fail", "which is to come"),
        ({"reports": (FOUND,)}, "fail", "has 1 open critical findings: CVE-2026-1 in libx 1.0 (fixed in 1.1)"),
        ({"reports": (HIGH,)}, "pass", "nothing critical is open"),
        ({"reports": (HIGH,), "threshold": "high"}, "fail", "1 open high"),
        ({"reports": (replace(FOUND, found=(replace(BAD, dismissed="not_affected"),)),)}, "pass", "nothing critical"),
        ({"reports": (FOUND,), "excused": {("CVE-2026-1", OURS): "not_affected"}}, "pass", "nothing critical"),
        ({"reports": (FOUND,), "excused": {("CVE-2026-1", OTHER): "not_affected"}}, "fail", "1 open critical"),
        ({"reports": (FOUND,), "waivers": (replace(WAIVER, package="liby"),)}, "fail", "1 open critical"),
        ({"reports": (FOUND,), "waivers": (replace(WAIVER, image="shop/desktop"),)}, "fail", "1 open critical"),
        (
            {"reports": (FOUND,), "waivers": (replace(WAIVER, until="2026-11-29"),)},
            "fail",
            "the waiver of CVE-2026-1 by Jane Roe ended on 2026-11-29",
        ),
        # The newest report of a tool counts; another tool's counts beside it.
        ({"reports": (replace(FOUND, where="old.json", when=NOW - timedelta(days=3)), CLEAN)}, "pass", "nothing"),
        ({"reports": (CLEAN, replace(FOUND, tool="grype 0.9"))}, "fail", "1 open critical"),
        # 11:30 at +02:00 is before 10:00 in UTC, though it reads as later.
        (
            {"reports": (
                replace(FOUND, where="new.json", when=datetime.fromisoformat("2026-11-30T10:00:00+00:00")),
                replace(CLEAN, where="old.json", when=datetime.fromisoformat("2026-11-30T11:30:00+02:00")))},
            "fail", "1 open critical",
        ),
        # Several runs of one file are parts of one report.
        ({"reports": (FOUND, CLEAN)}, "fail", "1 open critical"),
    ],
)  # fmt: skip
def test_judged(changes: Mapping[str, Any], state: str, told: str) -> None:
    verdict = scanned(replace(FACTS, **changes))
    assert (verdict.state, told in verdict.summary) == (state, True), verdict.summary
    assert bool(verdict.remedy) == (state != "pass")


def test_a_waiver_is_told_where_it_acts() -> None:
    verdict = scanned(replace(FACTS, reports=(FOUND,), waivers=(WAIVER, replace(WAIVER, id="CVE-2026-9")), max_age=30))
    assert verdict.state == "pass"
    assert verdict.weaker == (
        "a scan of at most 30 days ago wanted, usual: 7",
        "CVE-2026-1 waived until 2026-12-31 by Jane Roe: It is not called",
    )


# ---------------------------------------------------------------------------- forms of reports

TRIVY = {
    "SchemaVersion": 2, "ArtifactName": f"{NAME}:1.0.0", "ArtifactType": "container_image",
    "CreatedAt": "2026-11-29T10:00:00.123456789Z", "Trivy": {"Version": "0.60.0"},
    "Metadata": {"ImageID": OTHER, "RepoDigests": [f"{NAME}@{OURS}"]},
    "Results": [{"Target": "debian", "Class": "os-pkgs", "Vulnerabilities": [
        {"VulnerabilityID": "CVE-2026-1", "PkgName": "libx", "InstalledVersion": "1.0", "FixedVersion": "1.1",
         "Severity": "CRITICAL"}]}],
}  # fmt: skip
GRYPE = {
    "descriptor": {"name": "grype", "version": "0.90.0", "timestamp": "2026-11-29T10:00:00+01:00"},
    "source": {"type": "image", "target": {"userInput": NAME, "repoDigests": [f"{NAME}@{OURS}"]}},
    "distro": {"name": "debian"},
    "matches": [{"vulnerability": {"id": "CVE-2026-1", "severity": "Critical", "fix": {"versions": ["1.1"]}},
                 "artifact": {"name": "libx", "version": "1.0"}}],
    "ignoredMatches": [{"vulnerability": {"id": "CVE-2026-2", "severity": "High"}, "artifact": {"name": "liby"},
                        "appliedIgnoreRules": [{"vex-status": "not_affected"}]}],
}  # fmt: skip
SARIF: dict[str, Any] = {
    "version": "2.1.0",
    "runs": [{
        "tool": {"driver": {"name": "Trivy", "version": "0.60.0", "rules": [
            {"id": "CVE-2026-1", "properties": {"security-severity": "9.8", "tags": ["HIGH"]}},
            {"id": "CVE-2026-2", "properties": {"tags": ["vulnerability", "HIGH"]}}]}},
        "invocations": [{"endTimeUtc": "2026-11-29T10:00:00Z"}],
        "properties": {"imageName": NAME, "repoDigests": [f"{NAME}@{OURS}"]},
        "results": [{"ruleId": "CVE-2026-1", "ruleIndex": 0},
                    {"ruleId": "CVE-2026-2", "suppressions": [{"kind": "external", "justification": "unused"}]}],
    }],
}  # fmt: skip
CYCLONEDX = {
    "bomFormat": "CycloneDX",
    "metadata": {"timestamp": "2026-11-29T10:00:00Z", "tools": {"components": [{"name": "trivy", "version": "0.60.0"}]},
                 "component": {"name": NAME, "purl": f"pkg:oci/api@{OURS.replace(':', '%3A')}?repository_url=x"}},
    "components": [{"name": "libx"}],
    "vulnerabilities": [
        {"id": "CVE-2026-1", "ratings": [{"severity": "medium"}, {"severity": "critical"}]},
        {"id": "CVE-2026-2", "ratings": [{"severity": "critical"}], "analysis": {"state": "not_affected"}}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "whole"), [("trivy", TRIVY), ("grype", GRYPE), ("sarif", SARIF), ("cyclonedx", CYCLONEDX)]
)
def test_each_form_is_read(kind: str, whole: Mapping[str, Any]) -> None:
    (report,) = reports_of(json.dumps(whole).encode(), "x.json")
    assert (report.kind, OURS in report.digests, report.looked) == (kind, True, True)
    assert report.when and report.when.date().isoformat() == "2026-11-29"
    counted = [one for one in report.found if not one.dismissed]
    assert [(one.id, one.severity) for one in counted] == [("CVE-2026-1", "critical")]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{", "x.json is no JSON."),
        (b"[]", "it is no object"),
        (b"{}", "x.json is no report that is known"),
        (b"\xff\xfe", "x.json is no JSON."),
    ],
)
def test_what_is_no_report_is_said(content: bytes, told: str) -> None:
    with pytest.raises(InputError, match=told):
        reports_of(content, "x.json")


@pytest.mark.parametrize(
    ("rating", "severity"),
    [
        ({"score": 9.8, "method": "CVSSv31"}, "critical"),
        ({"score": 9.8, "method": "CVSSv31", "severity": "unknown"}, "critical"),
        ({"score": 9.8, "method": "CVSSv31", "severity": "high"}, "high"),
        ({"score": 9.8, "method": "OWASP"}, "unknown"),
        ({"method": "CVSSv31"}, "unknown"),
    ],
)
def test_a_score_without_a_word_is_a_severity(rating: Mapping[str, Any], severity: str) -> None:
    whole = {**CYCLONEDX, "vulnerabilities": [{"id": "CVE-2026-1", "ratings": [rating]}]}
    (report,) = reports_of(json.dumps(whole).encode(), "x.json")
    assert report.found[0].severity == severity


def test_a_result_may_say_its_severity_itself() -> None:
    result = {"ruleId": "CVE-2026-9", "properties": {"security-severity": "9.1"}}
    (report,) = reports_of(json.dumps({**SARIF, "runs": [{**SARIF["runs"][0], "results": [result]}]}).encode(), "x")
    assert report.found[0].severity == "critical"


@pytest.mark.parametrize(
    ("rules", "invocations", "results", "looked"),
    [
        ([], [], [], False),
        ([], [{"endTimeUtc": "2026-11-29T10:00:00Z"}], [], False),
        ([], [{"executionSuccessful": True}], [], True),
        ([], [{"executionSuccessful": True}, {"executionSuccessful": False}], [], False),
        ([{"id": "CVE-2026-1"}], [], [], True),
        ([{"id": "CVE-2026-1"}], [{"executionSuccessful": False}], [], False),
        ([], [], [{"ruleId": "CVE-2026-1"}], True),
        ([], [{"executionSuccessful": False}], [{"ruleId": "CVE-2026-1"}], False),
        ([{"id": "CVE-2026-1"}], [{"executionSuccessful": True}], None, False),
    ],
)
def test_a_run_that_does_not_say_that_it_was_executed_is_no_look(
    rules: list[Any], invocations: list[Any], results: list[Any] | None, looked: bool
) -> None:
    driver = {"name": "Trivy", "rules": rules}
    run = {**SARIF["runs"][0], "tool": {"driver": driver}, "invocations": invocations, "results": results}
    (report,) = reports_of(json.dumps({**SARIF, "runs": [run]}).encode(), "x.sarif")
    assert report.looked == looked
    verdict = scanned(replace(FACTS, reports=(replace(report, when=CLEAN.when, found=()),)))
    assert verdict.state == ("pass" if looked else "pending")
    assert looked or "as the scanner's own JSON" in verdict.remedy


@pytest.mark.parametrize("results", [[], [{"Class": "secret"}], None])
def test_a_report_that_looked_at_no_packages_proves_nothing(results: Any) -> None:
    (report,) = reports_of(json.dumps({**TRIVY, "Results": results}).encode(), "x.json")
    assert not report.looked


def test_the_operators_object_is_read() -> None:
    found = {
        "metadata": {"name": "replicaset-api"},
        "report": {
            "artifact": {"repository": "shop/api", "tag": "1.0.0", "digest": OURS}, "scanner": {"name": "Trivy"},
            "updateTimestamp": "2026-11-29T10:00:00Z",
            "vulnerabilities": [{"vulnerabilityID": "CVE-2026-1", "severity": "CRITICAL", "resource": "libx"}],
        },
    }  # fmt: skip
    report = of_object(found)
    assert report and report.digests == {OURS} and report.found[0].package == "libx" and report.looked
    bare = of_object({**found, "report": {**found["report"], "vulnerabilities": None}})
    assert bare and not bare.looked
    assert of_object({"metadata": {}, "report": {"artifact": {}}}) is None


def test_vex_excuses_by_digest_and_may_take_it_back() -> None:
    product = [{"@id": f"pkg:oci/api@{OURS.replace(':', '%3A')}"}]
    good = {
        "vulnerability": {"name": "CVE-2026-1"},
        "products": product,
        "status": "not_affected",
        "justification": "x",
    }
    whole: dict[str, Any] = {"@context": "https://openvex.dev/ns/v0.2.0", "statements": [good]}
    assert dismissals(json.dumps(whole).encode(), "v") == {("CVE-2026-1", OURS): "not_affected: x"}
    whole["statements"].append({**good, "status": "affected"})
    assert dismissals(json.dumps(whole).encode(), "v") == {("CVE-2026-1", OURS): ""}
    with pytest.raises(InputError, match="no OpenVEX"):
        dismissals(b"{}", "v")


def test_a_later_vex_document_takes_back_what_one_before_excused(tmp_path: Path) -> None:
    said = {"vulnerability": "CVE-2026-1", "products": [{"@id": f"{NAME}@{OURS}"}], "justification": "x"}
    for name, status in (("a.json", "not_affected"), ("b.json", "affected")):
        whole = {"@context": "https://openvex.dev/ns/v0.2.0", "statements": [{**said, "status": status}]}
        (tmp_path / name).write_text(json.dumps(whole))
    fake: Any = Fake([], NotThere("no"))
    documents = Documents(str(tmp_path), pytest.fail, formats=FORMATS)
    assert observe(fake, documents, Scope("shop", vex=("a.json",))).excused
    assert not observe(fake, documents, Scope("shop", vex=("a.json", "b.json"))).excused


def test_a_vex_document_that_cannot_be_read_is_told_as_one(tmp_path: Path) -> None:
    (tmp_path / "vex.json").mkdir()
    fake: Any = Fake([], NotThere("no"))
    facts = observe(fake, Documents(str(tmp_path), pytest.fail, formats=FORMATS), Scope("shop", vex=("vex.json",)))
    assert (facts.unread, facts.unread_vex) == ((), ("vex.json cannot be read (is a directory)",))


# ---------------------------------------------------------------------------- observing


def pod(name: str, image_id: str, phase: str = "Running", labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    status = {"phase": phase, "containerStatuses": [{"name": "c", "image": f"{NAME}:1.0.0", "imageID": image_id}]}
    return {"metadata": {"name": name, "labels": labels or {}}, "status": status}


def test_what_runs_is_told_by_digests() -> None:
    pods = [
        pod("a", f"{NAME}@{OURS}"),
        pod("b", f"docker-pullable://{NAME}@{OURS}"),
        pod("c", ""),
        pod("done", f"{NAME}@{OTHER}", "Succeeded"),
        pod("ours", f"{NAME}@{OTHER}", labels={"bytebot.production/scratch": "network"}),
    ]
    images, unknown = running(pods)
    assert [(one.digest, len(one.where)) for one in images] == [(OURS, 2)]
    assert unknown == ("pod c container c",)


class Fake:
    """A cluster with pods, and perhaps with report objects."""

    def __init__(self, pods: list[dict[str, Any]] | Exception, objects: list[dict[str, Any]] | Exception) -> None:
        self.pods, self.objects = pods, objects

    def serves(self, _api: str, _kind: str) -> bool:
        return not isinstance(self.objects, NotThere)

    def list(self, _api: str, kind: str, _namespace: str) -> list[dict[str, Any]]:
        found = self.pods if kind == "Pod" else self.objects
        if isinstance(found, Exception):
            raise found
        return found


def observed(folder: Path, fake: Fake, *places: Given) -> ScanFacts:
    def refuse(url: str) -> Any:
        raise AssertionError(url)

    return observe(fake, Documents(str(folder), refuse, formats=FORMATS), Scope("shop", places))  # type: ignore[arg-type]


def test_reports_of_a_folder_and_of_the_cluster(tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans/api.json").write_text(json.dumps(TRIVY))
    (tmp_path / "scans/bare.sarif").write_text(json.dumps({**SARIF, "runs": [{**SARIF["runs"][0], "properties": {}}]}))
    fake = Fake([pod("a", f"{NAME}@{OURS}")], NotPermitted("VulnerabilityReports may not be listed."))
    facts = observed(tmp_path, fake, Given("scans"), Given("scans/bare.sarif", digest=OTHER), Given("gone.json"))
    assert [sorted(one.digests) for one in facts.reports] == [[OURS, OTHER], [OTHER]]
    assert facts.bad == (
        "scans/bare.sarif names no digest of an image, so it may be about any",
        "gone.json is not there",
    )
    assert facts.objects == "VulnerabilityReports may not be listed"


@pytest.mark.parametrize("whole", [TRIVY, GRYPE, SARIF, CYCLONEDX])
def test_a_report_on_another_image_is_not_made_one_on_this_by_its_place(
    tmp_path: Path, whole: Mapping[str, Any]
) -> None:
    (tmp_path / "api.json").write_text(json.dumps(whole))
    fake, other = Fake([pod("a", f"{NAME}@sha256:{'c' * 64}")], NotThere("no")), f"sha256:{'c' * 64}"
    facts = observed(tmp_path, fake, Given("api.json", digest=other))
    assert (facts.reports, facts.bad) == (
        (), ("api.json is about sha256:aaaaaaaaaaaa…, and its place says sha256:cccccccccccc…",)
    )  # fmt: skip
    assert observed(tmp_path, fake, Given("api.json", digest=OURS)).bad == ()


@pytest.mark.parametrize(
    "whole",
    [
        {**TRIVY, "Metadata": ["x"]},
        {**TRIVY, "Metadata": {"RepoDigests": 1}},
        {**GRYPE, "descriptor": "grype"},
        {**SARIF, "runs": [{"tool": {"driver": "x"}}]},
        {**CYCLONEDX, "metadata": "x"},
    ],
)
def test_a_report_with_a_part_of_another_kind_is_told_by_its_name(whole: Mapping[str, Any]) -> None:
    with pytest.raises(InputError, match=r"x\.json is no report of its form"):
        reports_of(json.dumps(whole).encode(), "x.json")


def test_products_of_another_kind_excuse_nothing() -> None:
    statement = {"vulnerability": "CVE-2026-1", "status": "not_affected", "products": 1}
    whole = {"@context": "https://openvex.dev/ns/v0.2.0", "statements": [statement]}
    assert not dismissals(json.dumps(whole).encode(), "x.json")


def test_a_manifest_that_grype_made_of_an_archive_is_no_name_of_another_image(tmp_path: Path) -> None:
    """Of an image that is in no registry yet it makes one itself, so that its digest is nobody's."""
    own, theirs = f"sha256:{'d' * 64}", f"sha256:{'c' * 64}"
    fake = Fake([pod("a", f"{NAME}@{theirs}")], NotThere("no"))
    for target, bad in (
        ({"userInput": "api.tar", "manifestDigest": own, "repoDigests": []}, 0),
        ({"userInput": OTHER, "manifestDigest": own, "repoDigests": []}, 0),
        ({"userInput": f"{NAME}@{OURS}", "manifestDigest": own, "repoDigests": []}, 1),
        ({"userInput": NAME, "manifestDigest": own, "repoDigests": [f"{NAME}@{OURS}"]}, 1),
        ({"userInput": NAME, "manifestDigest": theirs, "repoDigests": [f"{NAME}@{OURS}"]}, 0),
    ):
        (tmp_path / "api.json").write_text(json.dumps({**GRYPE, "source": {"type": "image", "target": target}}))
        facts = observed(tmp_path, fake, Given("api.json", digest=theirs))
        assert (len(facts.bad), len(facts.reports)) == (bad, 1 - bad), (target, facts.bad)


def test_pods_that_may_not_be_listed_are_no_empty_list(tmp_path: Path) -> None:
    facts = observed(tmp_path, Fake(NotPermitted("Pods may not be listed."), NotThere("no such kind")))
    assert scanned(facts).state == "pending"


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("until", "soon", "is until soon, which is no day such as 2027-03-31"),
        ("owner", " ", "has no owner"),
        ("reason", "", "has no reason"),
        ("id", "", "has no id"),
    ],
)
def test_bad_waivers_are_refused(field: str, value: str, told: str) -> None:
    given = {"id": "CVE-1", "owner": "Jane", "reason": "x", "until": "2026-12-31", "package": None, "image": None}
    with pytest.raises(InputError, match=told):
        image_scan_check._waiver({**given, field: value})


@pytest.mark.parametrize(
    ("given", "told"), [({"digest": "sha256:12"}, "64 hexadecimal digits"), ({"scanned": "soon"}, "no day such as")]
)
def test_bad_places_are_refused(given: Mapping[str, str], told: str) -> None:
    with pytest.raises(InputError, match=told):
        image_scan_check._place({"where": "x", "digest": None, "scanned": None, **given})
