#!/usr/bin/python
# Judges a chart with its values before anything runs.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: helm_chart_check
short_description: Judge a Helm chart with its values before anything runs
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Lints the chart strictly with the real values and all subcharts, renders it on the cluster's own API, and judges the
    rendered workloads.
  - Asks admission, by a server-side dry run, about every object and about a pod from each template. Nothing is stored.
  - Reads the chart's templates for the values that they read. Of a given value that may have no effect, the chart is
    rendered with another one in its place; where nothing changes, the value is named.
  - Settles C(deployment.validation.lint), C(deployment.validation.values), C(deployment.validation.resources),
    C(deployment.validation.environment) and C(deployment.validation.security_context).
  - A control that does not hold is a result, not a failure of the module.
extends_documentation_fragment:
  - bytebot.production.chart
  - bytebot.production.cluster
  - bytebot.production.results
options:
  name:
    description: Name that the release would have.
    type: str
    required: true
  namespace:
    description: Namespace that the release would be in.
    type: str
    required: true
  chart:
    description:
      - Folder or archive of the chart; its name in O(repository); or an C(oci://) reference, with O(version) or with a
        digest (C(oci://host/path@sha256:…)).
      - A chart from the network is fetched once, into a private folder that goes with the task.
    type: path
    required: true
  values_files:
    description: Values files in their order; a later one wins.
    type: list
    elements: path
    default: []
  values:
    description: Values that win over the files. They reach Helm by standard input, never by argument.
    type: dict
    default: {}
  binary_path:
    description: The helm program, 3.14 or newer, or 4. The first one on E(PATH) where it is not set.
    type: path
  environment:
    description: Name of the environment. Variables and values named for it must say so.
    type: str
    default: production
  hosts:
    description: Host names that the release's Ingresses must serve, all of them and no other. Not judged where empty.
    type: list
    elements: str
    default: []
  minimum_replicas:
    description: Replicas that each Deployment and StatefulSet behind a Service must have, so that one may go.
    type: int
    default: 2
  single_replica:
    description:
      - Names of workloads of which one replica is right, as one that holds the screen that others look at. Each is told
        in the evidence.
    type: list
    elements: str
    default: []
  required_values:
    description: Dotted paths of values that must be set, beside those that the chart itself requires.
    type: list
    elements: str
    default: []
  other_environments:
    description: Other environments, whose values this one's are compared with.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the other environment.
        type: str
        required: true
      values_files:
        description: Its values files in their order.
        type: list
        elements: path
        required: true
  must_differ:
    description: Dotted paths of values that may not be the same in another environment.
    type: list
    elements: str
    default: [global.domain]
  foreign_words:
    description: Words that name other environments in host names, addresses and names. Those in O(environment) do not
      count, nor do those in the domains of O(hosts).
    type: list
    elements: str
    default: [dev, development, preprod, qa, stage, staging, test, testing, uat]
attributes:
  check_mode:
    description: Nothing is ever changed, so check mode does the same.
    support: full
  diff_mode:
    description: Nothing is ever changed, so there is no difference to show.
    support: none
requirements:
  - helm >= 3.14
  - PyYAML >= 6.0
seealso:
  - module: bytebot.production.helm_release
  - module: bytebot.production.workload_check
"""

EXAMPLES = r"""
- name: Judge the chart with the production values
  bytebot.production.helm_chart_check:
    name: bytebot
    namespace: bytebot-production
    chart: ./helm-chart
    values_files:
      - values-production.yaml
  register: chart

- name: Judge whether the values are those of production, and none of staging's
  bytebot.production.helm_chart_check:
    name: bytebot
    namespace: bytebot-production
    chart: ./helm-chart
    values_files:
      - values-production.yaml
    hosts:
      - api.bytebot.com
    other_environments:
      - name: staging
        values_files: [values-staging.yaml]
    must_differ:
      - global.domain
      - redis.keyPrefix

- name: Stop where anything is red
  ansible.builtin.assert:
    that: chart.failed_controls | length == 0
"""

RETURN = r"""
results:
  description: One entry per control that was judged.
  returned: always
  type: list
  elements: dict
  contains:
    control: {description: Id of the control., type: str, returned: always, sample: deployment.validation.lint}
    state:
      description: V(pass), V(fail), V(error), V(inconclusive), V(pending) or V(not_applicable).
      type: str
      returned: always
    summary: {description: One sentence on what was seen., type: str, returned: always}
    remedy: {description: What to do; empty when nothing., type: str, returned: always}
    evidence:
      description: What was asked, when (UTC), the redacted facts, and the SHA-256 of their canonical JSON.
      type: list
      elements: dict
      returned: always
    started: {description: "When judging began, RFC 3339 in UTC.", type: str, returned: always}
    duration_s: {description: Seconds spent., type: float, returned: always}
    level: {description: "V(should) where a red state is advice only.", type: str, returned: always}
    weaker: {description: Thresholds that are weaker than the document's., type: list, elements: str, returned: always}
failed_controls:
  description: Ids of the controls in state V(fail) or V(error).
  returned: always
  type: list
  elements: str
objects:
  description: SHA-256 of each rendered object, by kind, namespace and name; of a Secret only the keys count.
  returned: always
  type: dict
  sample: {"Deployment bytebot-production/bytebot-api": "5f1c…"}
digests:
  description: SHA-256 over the chart's files and the merged values; the latter empty where it does not render.
  returned: always
  type: dict
  sample: {"chart": "77ab…", "values": "9c1e…"}
images:
  description: Images that the rendered workloads name.
  returned: always
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import (
    CHART_ARGS,
    CLUSTER_ARGS,
    ONLY_ARGS,
    connection_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.chart import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.chart_facts import FOREIGN, Wanted
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CommandFailed,
    InputError,
    ProgramMissing,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm.chart import chart_digest
from ansible_collections.bytebot.production.plugins.module_utils.helm.cli import (
    HelmCli,
    chart_path,
    find_helm,
    parse_version,
    require_supported,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm.fetch import Source, chart_of
from ansible_collections.bytebot.production.plugins.module_utils.helm.values import Values
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.kubeconfig import target_of
from ansible_collections.bytebot.production.plugins.module_utils.manifest import digests
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_chart import Scope, observe
from ansible_collections.bytebot.production.plugins.module_utils.podspec import images
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.secret.hide import take

ARGUMENTS: dict[str, Any] = {
    **CHART_ARGS,
    **CLUSTER_ARGS,
    **ONLY_ARGS,
    "name": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True},
    "chart": {"type": "path", "required": True},
    "values_files": {"type": "list", "elements": "path", "default": []},
    "values": {"type": "dict", "default": {}, "no_log": True},  # there may be secrets inside; the rest is put back
    "binary_path": {"type": "path"},
    "environment": {"type": "str", "default": "production"},
    "hosts": {"type": "list", "elements": "str", "default": []},
    "minimum_replicas": {"type": "int", "default": 2},
    "single_replica": {"type": "list", "elements": "str", "default": []},
    "required_values": {"type": "list", "elements": "str", "default": []},
    "other_environments": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "values_files": {"type": "list", "elements": "path", "required": True},
        },
    },
    "must_differ": {"type": "list", "elements": "str", "default": ["global.domain"]},
    "foreign_words": {"type": "list", "elements": "str", "default": list(FOREIGN)},
}


def judge_chart(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Learn about the chart once and judge every control that rests on it."""
    given = module.params
    known_only(given["only"], CHECKS.controls, "helm_chart_check")
    connection = connection_of(given)
    redactor.learn(connection.api_key)
    inline = take(module, "values")
    given["values"] = redactor.data(inline)
    source, values = Source.checked(given), Values.checked(given["values_files"], inline)
    local = "" if source.remote else str(chart_path(source.chart))
    cluster, target = Cluster(connection, module.tmpdir), target_of(connection, given["namespace"], module.tmpdir)
    try:
        helm = HelmCli(find_helm(given["binary_path"] or ""), target)
        require_supported(parse_version(helm.call("version", "--short").stdout))
    except (ProgramMissing, CommandFailed, InputError) as exc:  # a finding of cluster_check; here nothing is known
        results = CHECKS.pending(exc.sentence, "Install a helm that is supported.", given["only"])
        nothing = {"chart": chart_digest(local) if local else "", "values": ""}
        return {"changed": False, "images": [], "objects": {}, "digests": nothing, **results_of(results, redactor)}
    chart = chart_of(source, helm, module.tmpdir)
    facts = observe(cluster, helm, redactor, _scope(given, chart.path, values))
    return {
        "changed": False,
        "images": images(facts.objects),
        "objects": digests(facts.objects, facts.namespace),
        "digests": {**chart.digests(), "values": facts.values_digest},
        **results_of(CHECKS.judge(facts, given["only"]), redactor),
    }


def _scope(given: dict[str, Any], chart: str, values: Values) -> Scope:
    if given["minimum_replicas"] < 0:
        raise InputError(f"minimum_replicas {given['minimum_replicas']} is negative; give 2, or 0 to leave it open.")
    wanted = Wanted(
        environment=given["environment"],
        hosts=tuple(given["hosts"]),
        minimum_replicas=given["minimum_replicas"],
        single_replica=tuple(given["single_replica"]),
        required_values=tuple(given["required_values"]),
        must_differ=tuple(given["must_differ"]),
        foreign=tuple(word.lower() for word in given["foreign_words"]),
    )
    others = {one["name"]: Values.checked(one["values_files"], None) for one in given["other_environments"]}
    about_values = {"deployment.validation.values", "deployment.validation.environment"}
    return Scope(
        name=given["name"],
        namespace=given["namespace"],
        chart=chart,
        values=values,
        wanted=wanted,
        others=others,
        judges_values=not given["only"] or bool(about_values & set(given["only"])),
    )


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), judge_chart)


if __name__ == "__main__":
    main()
