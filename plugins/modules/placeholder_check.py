#!/usr/bin/python
# Looks for what stands for a value that nobody gave: in what runs, in its Secrets, in hosts, and in documents.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: placeholder_check
short_description: Judge that no placeholder and no example is left, in what runs and in documents
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Settles C(go_live.review.placeholders), and changes nothing.
  - It reads the values of the release as Helm keeps them, the workloads of the namespace with their environment, its
    ConfigMaps, the hosts and all else of its Ingresses, O(hosts), and the documents that O(documents) names.
  - A placeholder is what charts and documents write where a person must (C(changeme), C(replace-me), C(your-…),
    C(TODO), C(<name>), C([contact info])), and what RFC 2606 reserves for examples (C(example.com)). Comment lines of
    files do not count.
  - Values of Secrets are judged, too, and never shown; the evidence names the Secret and the key.
  - A value of one line holds no template. In a file of several lines, templates may be what its reader fills (a title
    in a configuration of Alertmanager); red are a file that is nothing else, what Helm should have filled, and a
    password, token or key that is a template.
  - What could not be read is V(pending), and so is a missing input. A control that does not hold is a result, not a
    failure of the module.
extends_documentation_fragment:
  - bytebot.production.cluster
  - bytebot.production.results
  - bytebot.production.services
  - bytebot.production.documents
options:
  namespace:
    description: Namespace of the release. All of it is read, since it belongs to the release.
    type: str
    required: true
  release:
    description: Name of the Helm release.
    type: str
    required: true
  hosts:
    description: Host names of the environment. It is V(pending) without them.
    type: list
    elements: str
    default: []
  documents:
    description:
      - Where documents are, as bytebot.production.document_check takes them. It is V(pending) without them.
    type: dict
    default: {}
attributes:
  check_mode:
    description: Only reads, so that it does the same in check mode.
    support: full
  diff_mode:
    description: Nothing is changed, so there is no difference to show.
    support: none
requirements:
  - PyYAML
notes:
  - Needs list on the Secrets, ConfigMaps, Ingresses and workloads of the namespace.
seealso:
  - module: bytebot.production.helm_chart_check
  - module: bytebot.production.document_check
  - module: bytebot.production.secret_check
"""

EXAMPLES = r"""
- name: Judge that all placeholders are replaced
  bytebot.production.placeholder_check:
    namespace: bytebot-production
    release: bytebot
    hosts: [api.bytebot.com]
    folder: /srv/bytebot-docs
    documents:
      documentation.deployment.procedures: operations/deployment.md
      documentation.runbooks.incident: runbooks/
    allowed_hosts: []
"""

RETURN = r"""
results:
  description: One entry per control that was judged.
  returned: always
  type: list
  elements: dict
  contains:
    control: {description: Its id., type: str, returned: always, sample: go_live.review.placeholders}
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
      description: Thresholds that were judged by and are weaker than the document's, in words.
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

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import CLUSTER_ARGS, ONLY_ARGS, connection_of
from ansible_collections.bytebot.production.plugins.module_utils.argspec_documents import (
    DOCUMENTS_ARGS,
    documents_of,
    places_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.argspec_services import SERVICES_ARGS
from ansible_collections.bytebot.production.plugins.module_utils.checks.placeholders_left import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_placeholders import observe
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

ARGUMENTS: dict[str, Any] = {
    **CLUSTER_ARGS,
    **ONLY_ARGS,
    **SERVICES_ARGS,
    **DOCUMENTS_ARGS,
    "namespace": {"type": "str", "required": True},
    "release": {"type": "str", "required": True},
    "hosts": {"type": "list", "elements": "str", "default": []},
    "documents": {"type": "dict", "default": {}},
}


def look(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Read all once, and judge."""
    given: Mapping[str, Any] = module.params
    known_only(given["only"], CHECKS.controls, "placeholder_check")
    connection = connection_of(given)
    redactor.learn(connection.api_key)
    began = time.monotonic()
    places = places_of(given["documents"])
    facts = observe(
        Cluster(connection, module.tmpdir),
        redactor,
        documents_of(given, redactor),
        (given["namespace"], given["release"]),
        (tuple(given["hosts"]), places),
    )
    results = CHECKS.judge(facts, given["only"])
    took = time.monotonic() - began
    return {"changed": False, **results_of([replace(one, duration_s=took) for one in results], redactor)}


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), look)


if __name__ == "__main__":
    main()
