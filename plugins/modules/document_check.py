#!/usr/bin/python
# Judges documents: there, whole, kept by somebody, looked at lately, and true of the system that they speak of.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: document_check
short_description: Judge documents by their content, their age, and the live system that they speak of
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Settles the controls C(documentation.*), C(team.access.emergency), C(team.access.review),
    C(go_live.change.communication), C(go_live.testing.penetration), C(post_go_live.day_support.documentation),
    C(post_go_live.month_optimization.documentation), and C(review), C(lessons) and C(procedures) of
    C(post_go_live.month_process), each by the documents that O(documents) names.
  - A document is Markdown or HTML, from a folder (as a checkout of a repository) or from a host in O(allowed_hosts),
    or a
    PDF from a folder, of which the text is read. At most 4 MiB of each are read.
  - It must be there, have each wanted section with something below it, name an owner and the day of its last review,
    and
    have no placeholder left. Its links and anchors must lead somewhere; links to hosts that may not be asked are
    counted
    in the evidence.
  - What its calls of C(kubectl) and C(helm) name must be there (namespaces, releases, objects of the usual kinds; what
    is
    left open, as C($NAME) and C(<name>), names nothing), and so must the alerts that it names. Every alert of the rules
    must stand in the documents of C(documentation.runbooks.monitoring) or C(documentation.runbooks.incident).
  - Where it holds for one release, it must name the version that runs.
  - The description of the API (OpenAPI) that C(documentation.user.api) names must say what the running application
    says of
    itself; where it is served (C(servers), C(externalDocs)) is left out.
  - A document that was generated and not completed by people does not pass.
  - The report of C(go_live.testing.penetration) says how many findings are open, as a mapping C(open_findings) of its
    front matter with C(critical) and other severities, each a number or a list, or by a line such as C(Open critical
    findings - 0) with a colon in place of the dash. A word says no number. None that is critical may be. It may be a
    year old.
  - Those of C(post_go_live) must have been reviewed after O(go_live), and are V(pending) until they are due.
  - C(team.access.review) is judged by a record, a YAML file with C(reviewed), C(by), C(interval_days) and C(subjects).
  - A control that does not hold is a result, not a failure of the module.
extends_documentation_fragment:
  - bytebot.production.cluster
  - bytebot.production.documents
  - bytebot.production.prometheus
  - bytebot.production.results
  - bytebot.production.services
options:
  documents:
    description:
      - Where the documents of each control are, by its id. A value is a place, a list of places, or a mapping.
      - A place is a path of a file or a folder, in O(folder) where it is not absolute, or a URL.
      - In a mapping, C(where) is the place or the places, C(sections) the wanted sections, each by the words that its
        heading may have (V(steps|procedure)), C(questions) how many headings must ask something and have an answer,
        C(max_age) the days since the last review, C(version) whether the version that runs must be named, and
        C(openapi),
        for C(documentation.user.api) alone, where the description of the API is published.
      - Where it does not name a control, that control is V(pending).
    type: dict
    default: {}
  namespace:
    description:
      - Namespace of the release. Without it the cluster is not asked, and what documents name stays V(pending).
    type: str
    default: ""
  release:
    description: Name of the Helm release, whose images tell the version that runs.
    type: str
    default: ""
  version:
    description: The version that runs, where the tags of the images do not tell it.
    type: str
    default: ""
  max_age:
    description: Days since the last review, where a document says nothing else. More than V(90) is told as weaker.
    type: int
    default: 90
  test_age:
    description: Days since the emergency access was last tested. More than V(180) is told as weaker.
    type: int
    default: 180
  live_api:
    description:
      - Where the running application tells of its API. The description of the API is V(pending) without it.
    type: dict
    suboptions:
      url:
        description: Address of the live description.
        type: str
      workload:
        description: A Deployment, in whose pod O(live_api.command) prints the description, in place of an address.
        type: str
      container:
        description: The container. The first one where it is not set.
        type: str
      command:
        description: The command and its arguments. It ends by itself within 15 seconds.
        type: list
        elements: str
        default: []
  access_now:
    description:
      - By subject, the powers that it has now, as a list or as a mapping with them as keys, as the evidence of
        C(team.access.production) has them in C(powers).
      - Without it what has changed since the last review is not known, and C(team.access.review) is V(pending).
    type: dict
  go_live:
    description: When it went live (RFC 3339), for the documents that must have been reviewed after it.
    type: str
    default: ""
attributes:
  check_mode:
    description: In check mode no command is run in a pod, and a description of the API that needs one is V(pending).
    support: full
  diff_mode:
    description: Nothing is changed, so there is no difference to show.
    support: none
requirements:
  - "markdown-it-py >= 3 (Python package)"
  - "pypdf (Python package), for PDF alone"
  - PyYAML
seealso:
  - module: bytebot.production.contact_check
  - module: bytebot.production.record_query
"""

EXAMPLES = r"""
- name: Judge the documents of a checkout
  bytebot.production.document_check:
    folder: /srv/bytebot-docs
    documents:
      documentation.deployment.procedures: operations/deployment.md
      documentation.runbooks.incident: [operations/incident.md, operations/runbooks]
      documentation.user.faq: {where: https://docs.bytebot.com/faq, questions: 8, max_age: 60}
      documentation.user.api:
        where: https://docs.bytebot.com/api
        openapi: https://docs.bytebot.com/openapi.json
    namespace: bytebot-production
    release: bytebot
    live_api: {url: https://api.bytebot.com/api/docs}
    prometheus: {url: https://prometheus.bytebot.com}
    allowed_hosts: [docs.bytebot.com, api.bytebot.com, prometheus.bytebot.com]
  register: documents

- name: Judge one document, and nothing of the cluster
  bytebot.production.document_check:
    documents:
      documentation.deployment.troubleshooting: /srv/bytebot-docs/troubleshooting.md
    allowed_hosts: []
    only: [documentation.deployment.troubleshooting]
"""

RETURN = r"""
results:
  description: One entry per control that was judged.
  returned: always
  type: list
  elements: dict
  contains:
    control: {description: Its id., type: str, returned: always, sample: documentation.deployment.rollback}
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
      description: Thresholds that were judged by and are weaker than the usual ones, in words.
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
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import CLUSTER_ARGS, ONLY_ARGS, connection_of
from ansible_collections.bytebot.production.plugins.module_utils.argspec_documents import DOCUMENTS_ARGS, documents_of
from ansible_collections.bytebot.production.plugins.module_utils.argspec_services import (
    PROMETHEUS_ARGS,
    SERVICES_ARGS,
    service_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.documents import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_access import REVIEW, TEST_AGE
from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_since import SINCE
from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_wanted import API, DOCUMENT_AGE
from ansible_collections.bytebot.production.plugins.module_utils.checks.since_go_live import go_live_of
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.document_places import place_of
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_documents import LiveApi, Scope, observe
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

ARGUMENTS: dict[str, Any] = {
    **CLUSTER_ARGS,
    **ONLY_ARGS,
    **SERVICES_ARGS,
    **DOCUMENTS_ARGS,
    **PROMETHEUS_ARGS,
    "documents": {"type": "dict", "default": {}},
    "namespace": {"type": "str", "default": ""},
    "release": {"type": "str", "default": ""},
    "version": {"type": "str", "default": ""},
    "max_age": {"type": "int", "default": DOCUMENT_AGE},
    "test_age": {"type": "int", "default": TEST_AGE},
    "live_api": {
        "type": "dict",
        "options": {
            "url": {"type": "str"},
            "workload": {"type": "str"},
            "container": {"type": "str"},
            "command": {"type": "list", "elements": "str", "default": []},
        },
    },
    "access_now": {"type": "dict"},
    "go_live": {"type": "str", "default": ""},
}


def judge_documents(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Read the documents once, ask once for what they name, and judge every control that rests on them."""
    given = module.params
    known_only(given["only"], CHECKS.controls, "document_check")
    for name in ("max_age", "test_age"):
        if given[name] < 1:
            raise InputError(f"{name}: {given[name]} is not a number of days.")
    scope = _scope(given, probe=not module.check_mode)
    documents = documents_of(given, redactor)
    cluster = None
    if scope.namespace:
        connection = connection_of(given)
        redactor.learn(connection.api_key)
        cluster = Cluster(connection, module.tmpdir)
    facts = observe(documents, scope, cluster, service_of("prometheus", given, redactor))
    return {"changed": False, **results_of(CHECKS.judge(facts, given["only"]), redactor)}


def _scope(given: Mapping[str, Any], *, probe: bool) -> Scope:
    known_only(given["documents"], CHECKS.controls, "document_check")
    wanted = [one for one in CHECKS.controls if not given["only"] or one in given["only"]]
    places = {control: place_of(control, given["documents"][control], given["max_age"])
              for control in wanted if given["documents"].get(control)}  # fmt: skip
    review = places.pop(REVIEW, None)
    if review and len(review.where) != 1:
        raise InputError(f"documents, {REVIEW}: name one record.")
    return Scope(
        places,
        given["namespace"],
        given["release"],
        given["version"],
        _live_api(given["live_api"]) if API in places else None,
        review.where[0] if review else "",
        _access(given["access_now"]),
        review.wanted.max_age if review else given["max_age"],
        given["test_age"],
        probe,
        go_live_of(given["go_live"]) if set(SINCE) & set(wanted) else None,
    )


def _live_api(given: Mapping[str, Any] | None) -> LiveApi | None:
    if not given or not (given.get("url") or given.get("workload")):
        return None
    if given.get("url") and given.get("workload"):
        raise InputError("live_api: url and workload exclude each other.")
    command = tuple(given.get("command") or ())
    if given.get("workload") and not command:
        raise InputError("live_api: name the command that prints the description.")
    return LiveApi(given.get("url") or "", given.get("workload") or "", given.get("container") or "", command)


def _access(given: Mapping[str, Any] | None) -> dict[str, tuple[str, ...]] | None:
    if given is None:
        return None
    return {str(name): tuple(map(str, powers or ())) for name, powers in given.items()}


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), judge_documents)


if __name__ == "__main__":
    main()
