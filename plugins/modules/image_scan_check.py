#!/usr/bin/python
# Judges the images that run in a namespace by the reports of scanners on exactly their digests.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: image_scan_check
short_description: Judge the images that run by the reports of scanners on their digests
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Settles the control C(security_configuration.containers.scanned).
  - The digests are those that the kubelet tells of the containers of all live pods, init and ephemeral ones too. A tag
    says nothing, since it can be moved after a scan.
  - Each digest must have a report that is not older than O(max_age), shows that packages were found in the image, and
    has no open finding of the severity O(threshold) or worse. Of several reports of one tool the newest counts, with
    all that stands in its file, and those of several tools together. A report that is named and cannot be read makes
    the control V(pending). So does a VEX document, which is told beside what is red as well, since it may excuse that.
  - Reports are Trivy's JSON, Grype's JSON, SARIF 2.1.0 or CycloneDX (with its VEX), which are told apart by what stands
    in them; the objects C(VulnerabilityReport) of the Trivy Operator in the namespace, where there are any; and what
    is attached to the images in O(registries) as referrers (OCI 1.1). A report that names no digest is about nothing
    that can be known, unless its place says one.
  - A run of SARIF without findings counts only where it says that it was executed (C(executionSuccessful)), or where
    its tool names its rules; else the control is V(pending), since a run that looked at nothing reads the same.
  - Nothing is scanned here, and no database of vulnerabilities is asked.
  - A control that does not hold is a result, not a failure of the module.
extends_documentation_fragment:
  - bytebot.production.cluster
  - bytebot.production.documents
  - bytebot.production.results
  - bytebot.production.results.attributes
  - bytebot.production.services
options:
  namespace:
    description: Namespace of the release.
    type: str
    required: true
  reports:
    description:
      - Where reports are. Without any, and without report objects in the namespace, the control is V(pending).
    type: list
    elements: dict
    default: []
    suboptions:
      where:
        description:
          - A file, or a folder of files that end in C(.json) or C(.sarif), in O(folder) where it is not absolute; or a
            URL. At most 64 MiB of one are read.
        type: str
        required: true
      digest:
        description: The digest that it is about, for reports that do not name it, as many in SARIF. One that names
          another is refused.
        type: str
      scanned:
        description: When it was made, for reports that do not say it, as V(2026-10-01) or with the time of day.
        type: str
  vex:
    description:
      - Files or URLs of OpenVEX documents. What they say does not affect an image, named by its digest, is not counted.
    type: list
    elements: str
    default: []
  registries:
    description:
      - Registries that are asked for reports that are attached to the running images, whose artifact type speaks of
        C(sarif), C(cyclonedx), C(trivy) or C(grype). No other is asked.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The registry as images name it, as in V(ghcr.io) or V(docker.io).
        type: str
        required: true
      url:
        description: Its address, where that is not C(https://) and its name.
        type: str
      ca_file:
        description: PEM file of the CA to trust beside the system's.
        type: path
      username:
        description: Who asks; nobody by name where it is not set.
        type: str
      password:
        description: The password or token of O(registries[].username).
        type: str
  report_objects:
    description: Whether objects C(VulnerabilityReport) of the namespace are read.
    type: bool
    default: true
  max_age:
    description: Days since the scan. More than V(7) is told as weaker.
    type: int
    default: 7
  threshold:
    description: The mildest severity of which nothing may be open.
    type: str
    choices: [critical, high, medium, low]
    default: critical
  waivers:
    description:
      - Findings that somebody answers for. Each that acts is told in RV(results[].weaker); after its last day the
        finding is open again.
    type: list
    elements: dict
    default: []
    suboptions:
      id:
        description: The finding, as in V(CVE-2026-12345).
        type: str
        required: true
      owner:
        description: Who answers for it.
        type: str
        required: true
      reason:
        description: Why it may stay open.
        type: str
        required: true
      until:
        description: The last day on which it holds, as in V(2027-03-31).
        type: str
        required: true
      package:
        description: Only in this package.
        type: str
      image:
        description: Only in this digest, or in images whose name has this text.
        type: str
notes:
  - This account needs C(list) on pods of the namespace, and on C(vulnerabilityreports.aquasecurity.github.io) where
    they are to be read.
attributes:
  check_mode:
    description: Nothing is ever changed.
    support: full
  diff_mode:
    description: Nothing is ever changed, so there is no difference to show.
    support: none
seealso:
  - module: bytebot.production.security_check
"""

EXAMPLES = r"""
- name: Judge the images by what the pipeline kept
  bytebot.production.image_scan_check:
    namespace: bytebot-production
    reports:
      - where: https://artifacts.bytebot.com/scans/api.trivy.json
      - where: /srv/scans
      - where: /srv/others/desktop.sarif
        digest: sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
        scanned: "2026-10-01"
    allowed_hosts: [artifacts.bytebot.com]
    threshold: high
    waivers:
      - id: CVE-2026-12345
        owner: Jane Roe
        reason: The vulnerable function is not called; the next base image has the fix.
        until: "2027-03-31"
        package: libexample

- name: Judge the images by what the Trivy Operator keeps in the namespace
  bytebot.production.image_scan_check:
    namespace: bytebot-production
    allowed_hosts: []
"""

RETURN = r"""
results:
  description: One entry per control that was judged.
  returned: always
  type: list
  elements: dict
  contains:
    control: {description: Its id., type: str, returned: always, sample: security_configuration.containers.scanned}
    state: {description: "V(pass), V(fail), V(error) or V(pending).", type: str, returned: always}
    summary: {description: One sentence on what was seen., type: str, returned: always}
    remedy: {description: What to do; empty when nothing., type: str, returned: always}
    evidence:
      description: What was asked, when (UTC), the redacted facts, and the SHA-256 of their canonical JSON.
      type: list
      elements: dict
      returned: always
    level:
      description: V(should) where the finding is advice and shuts no gate, else V(must).
      type: str
      returned: always
    weaker:
      description: Waivers that act and thresholds that are weaker than the usual ones, in words.
      type: list
      elements: str
      returned: always
    started: {description: "When judging began, RFC 3339 in UTC.", type: str, returned: always}
    duration_s: {description: Seconds spent., type: float, returned: always}
failed_controls:
  description: Ids of the controls in state V(fail) or V(error).
  returned: always
  type: list
  elements: str
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import CLUSTER_ARGS, ONLY_ARGS, connection_of
from ansible_collections.bytebot.production.plugins.module_utils.argspec_documents import DOCUMENTS_ARGS, documents_of
from ansible_collections.bytebot.production.plugins.module_utils.argspec_services import SERVICES_ARGS
from ansible_collections.bytebot.production.plugins.module_utils.checks.scans import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.scans_facts import (
    SCAN_AGE,
    SEVERITIES,
    Waiver,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.registry import Registry
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_scans import (
    BYTES,
    FORMATS,
    Given,
    Scope,
    observe,
)
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.scan_reports import digests_in

ARGUMENTS: dict[str, Any] = {
    **CLUSTER_ARGS,
    **ONLY_ARGS,
    **SERVICES_ARGS,
    **DOCUMENTS_ARGS,
    "namespace": {"type": "str", "required": True},
    "reports": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "where": {"type": "str", "required": True},
            "digest": {"type": "str"},
            "scanned": {"type": "str"},
        },
    },
    "vex": {"type": "list", "elements": "str", "default": []},
    "registries": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "url": {"type": "str"},
            "ca_file": {"type": "path"},
            "username": {"type": "str"},
            "password": {"type": "str", "no_log": True},
        },
    },
    "report_objects": {"type": "bool", "default": True},
    "max_age": {"type": "int", "default": SCAN_AGE},
    "threshold": {"type": "str", "choices": list(SEVERITIES), "default": SEVERITIES[0]},
    "waivers": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            **{name: {"type": "str", "required": True} for name in ("id", "owner", "reason", "until")},
            "package": {"type": "str"},
            "image": {"type": "str"},
        },
    },
}


def judge_scans(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """See what runs, read each report once, and judge."""
    given = module.params
    known_only(given["only"], CHECKS.controls, "image_scan_check")
    if given["max_age"] < 1:
        raise InputError(f"max_age: {given['max_age']} is not a number of days.")
    scope = Scope(
        given["namespace"],
        tuple(_place(one) for one in given["reports"]),
        tuple(given["vex"]),
        given["report_objects"],
        tuple(Registry(**{name: value for name, value in one.items() if value}) for one in given["registries"]),
        tuple(_waiver(one) for one in given["waivers"]),
        given["max_age"],
        given["threshold"],
    )
    documents = documents_of(given, redactor, formats=FORMATS, most=BYTES)
    connection = connection_of(given)
    for secret in (connection.api_key, *(one.password for one in scope.registries)):
        redactor.learn(secret)
    facts = observe(Cluster(connection, module.tmpdir), documents, scope)
    return {"changed": False, **results_of(CHECKS.judge(facts, given["only"]), redactor)}


def _place(one: Mapping[str, Any]) -> Given:
    digest = one["digest"] or ""
    if digest and digests_in(digest) != {digest}:
        raise InputError(f"reports, {one['where']}: digest is no sha256: and 64 hexadecimal digits.")
    return Given(one["where"], digest, _time(one))


def _time(one: Mapping[str, Any]) -> datetime | None:
    if not one["scanned"]:
        return None
    try:
        found = datetime.fromisoformat(one["scanned"])
    except ValueError as exc:
        raise InputError(f"reports, {one['where']}: scanned is no day such as 2026-10-01.") from exc
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _waiver(one: Mapping[str, Any]) -> Waiver:
    for name in ("id", "owner", "reason"):
        if not one[name].strip():
            raise InputError(f"waivers: the one for {one['id'] or 'a finding without id'} has no {name}.")
    try:
        until = date.fromisoformat(one["until"]).isoformat()
    except ValueError as exc:
        raise InputError(
            f"waivers: the one for {one['id']} is until {one['until']}, which is no day such as 2027-03-31."
        ) from exc
    return Waiver(one["id"].strip(), one["owner"].strip(), one["reason"].strip(), until, one["package"] or "",
                  one["image"] or "")  # fmt: skip


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), judge_scans)


if __name__ == "__main__":
    main()
