#!/usr/bin/python
# Probes the application's health, metrics and public addresses through the ingress, and judges code and body.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: health_probe
short_description: Probe health, metrics and public addresses, and judge code and body
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Asks the health routes, the metrics page and the public addresses by name over verified TLS, as users reach them.
  - Judges code and body, since a route that answers 200 with an error in its body is not healthy.
  - Settles the controls V(deployment.health.live), V(deployment.health.ready), V(deployment.health.startup),
    V(deployment.health.metrics) and V(deployment.execution.endpoints).
  - What is wrong does not fail the task. It stands in RV(results) and RV(failed_controls).
extends_documentation_fragment:
  - bytebot.production.web
  - bytebot.production.results
  - bytebot.production.results.attributes
options:
  live_path:
    description: Path (or URL) of the liveness route.
    type: str
    default: /health/live
  ready_path:
    description: Path (or URL) of the readiness route.
    type: str
    default: /health/ready
  startup_path:
    description: Path (or URL) of the startup route.
    type: str
    default: /health/startup
  metrics_path:
    description: Path (or URL) of the metrics page.
    type: str
    default: /metrics
  expected_version:
    description: The version that the liveness route must name. Any version is accepted where it is not set.
    type: str
  dependencies:
    description: Dependencies that the readiness route must name with status V(ok). Others that it names must be ok too.
    type: list
    elements: str
    default: [database, redis]
  metric_families:
    description: Metric families that the metrics page must have.
    type: list
    elements: str
    default: [http_requests_total, http_request_duration_seconds, process_cpu_seconds_total]
  moving_metric:
    description:
      - A counter that must grow by at least the requests made between two scrapes, so that a stale page is found.
      - Where several pods answer, growth is summed per process, which V(process_start_time_seconds) tells apart.
    type: str
    default: http_requests_total
  moving_path:
    description: Path (or URL) to request for that. O(live_path) where it is not set.
    type: str
  moving_requests:
    description: How many requests to make for that.
    type: int
    default: 10
  endpoints:
    description:
      - Public addresses, and how the expected application is told from another one or from the ingress's default page.
      - Where it is empty, O(live_path) under O(base_url) is taken, which must be https and hold the promised fields.
    type: list
    elements: dict
    default: []
    suboptions:
      url:
        description: The address. Its host must be in O(allowed_hosts).
        type: str
      path:
        description: A path under O(base_url), in place of O(endpoints[].url).
        type: str
      status:
        description: The status to expect.
        type: int
        default: 200
      contains:
        description: A text that only the expected application's body holds.
        type: str
      jmespath:
        description: A JMESPath expression that must hold in the JSON body.
        type: str
  max_seconds:
    description: Seconds that each answer may take.
    type: float
    default: 2.0
  max_skew:
    description: Seconds by which the timestamp in a body may differ from the time here.
    type: float
    default: 30.0
  settle_timeout:
    description:
      - Seconds within which what is not right is asked again, since an ingress needs a moment after a roll-out.
      - It is one bound for all addresses together. The evidence counts the attempts.
    type: float
    default: 10.0
attributes:
  check_mode:
    description: Nothing is sent in check mode; every control is V(pending).
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
requirements:
  - "prometheus-client >= 0.21 (Python package)"
  - "jmespath >= 1.0 (Python package)"
seealso:
  - module: bytebot.production.ingress_check
"""

EXAMPLES = r"""
- name: Probe the application as users reach it
  bytebot.production.health_probe:
    base_url: https://api.bytebot.com
    allowed_hosts: [api.bytebot.com, app.bytebot.com]
    expected_version: 1.0.0
    endpoints:
      - path: /health/live
        jmespath: status == 'ok' && version == '1.0.0'
      - url: https://app.bytebot.com/
        contains: <title>Bytebot</title>
  register: probe

- name: Stop where anything is not as promised
  ansible.builtin.assert:
    that: probe.failed_controls | length == 0
    fail_msg: "{{ probe.results | selectattr('control', 'in', probe.failed_controls) | map(attribute='summary') }}"

- name: Probe one route before public DNS is switched, with a CA of your own
  bytebot.production.health_probe:
    base_url: https://api.bytebot.com
    allowed_hosts: [api.bytebot.com]
    resolve:
      api.bytebot.com: 192.0.2.10
    ca_file: /etc/ssl/private-ca.crt
    only: [deployment.health.ready]
"""

RETURN = r"""
results:
  description: One result per judged control.
  returned: success
  type: list
  elements: dict
  contains:
    control: {description: Id of the control., type: str, returned: always, sample: deployment.health.live}
    state:
      description: V(pass), V(fail), V(error), V(inconclusive) or V(pending).
      type: str
      returned: always
      sample: pass
    summary: {description: "What was seen, with the numbers.", type: str, returned: always}
    remedy: {description: What to do now; empty when nothing., type: str, returned: always}
    evidence:
      description: The observations that the result rests on, redacted.
      type: list
      elements: dict
      returned: always
      contains:
        source: {description: What was asked., type: str, returned: always}
        observed_at: {description: When (UTC; RFC 3339)., type: str, returned: always}
        observed: {description: The facts that came back., type: raw, returned: always}
        sha256: {description: Over the canonical JSON of the facts., type: str, returned: always}
    started: {description: When judging began (UTC; RFC 3339)., type: str, returned: always}
    duration_s: {description: Seconds spent judging., type: float, returned: always}
    level: {description: "V(should) where a red state is advice only.", type: str, returned: always}
    weaker: {description: Thresholds that are weaker than the document's., type: list, elements: str, returned: always}
failed_controls:
  description: Ids of the controls in state V(fail) or V(error).
  returned: success
  type: list
  elements: str
  sample: [deployment.health.ready]
"""

from collections.abc import Iterator, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import ONLY_ARGS
from ansible_collections.bytebot.production.plugins.module_utils.argspec_http import HTTP_ARGS, http_of
from ansible_collections.bytebot.production.plugins.module_utils.checks.bodies import expression_problem
from ansible_collections.bytebot.production.plugins.module_utils.checks.health import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.health_facts import Endpoint, Policy
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Http
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_health import Plan, Prober
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

ENDPOINT: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "url": {"type": "str"},
        "path": {"type": "str"},
        "status": {"type": "int", "default": 200},
        "contains": {"type": "str"},
        "jmespath": {"type": "str"},
    },
    "mutually_exclusive": [("url", "path")],
    "required_one_of": [("url", "path"), ("contains", "jmespath")],
}
ARGUMENTS: dict[str, Any] = {
    **HTTP_ARGS,
    **ONLY_ARGS,
    "live_path": {"type": "str", "default": "/health/live"},
    "ready_path": {"type": "str", "default": "/health/ready"},
    "startup_path": {"type": "str", "default": "/health/startup"},
    "metrics_path": {"type": "str", "default": "/metrics"},
    "expected_version": {"type": "str"},
    "dependencies": {"type": "list", "elements": "str", "default": ["database", "redis"]},
    "metric_families": {
        "type": "list",
        "elements": "str",
        "default": ["http_requests_total", "http_request_duration_seconds", "process_cpu_seconds_total"],
    },
    "moving_metric": {"type": "str", "default": "http_requests_total"},
    "moving_path": {"type": "str"},
    "moving_requests": {"type": "int", "default": 10},
    "endpoints": ENDPOINT,
    "max_seconds": {"type": "float", "default": 2.0},
    "max_skew": {"type": "float", "default": 30.0},
    "settle_timeout": {"type": "float", "default": 10.0},
}


def probe(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Probe and judge; in check mode only say what would be probed."""
    given = module.params
    known_only(given["only"], CHECKS.controls, "health_probe")
    wanted = [control for control in CHECKS.controls if not given["only"] or control in given["only"]]
    http = http_of(given)
    prober = Prober(http, _plan(given, wanted, http), redactor)
    if module.check_mode:
        results = CHECKS.pending("Needs a probe; check mode sends none.", "", wanted)
    else:
        results = CHECKS.judge(prober.facts(), wanted)
    return {"changed": False, **results_of(results, redactor)}


def _plan(given: Mapping[str, Any], wanted: list[str], http: Http) -> Plan:
    if given["moving_requests"] < 1:
        raise InputError("moving_requests: at least one request is needed to see a counter move.")
    names = ("live", "ready", "startup", "metrics")
    return Plan(
        policy=Policy(
            version=given["expected_version"] or "",
            dependencies=tuple(given["dependencies"]),
            families=tuple(given["metric_families"]),
            moving_metric=given["moving_metric"],
            max_seconds=given["max_seconds"],
            max_skew=given["max_skew"],
        ),
        paths={name: given[f"{name}_path"] for name in names if f"deployment.health.{name}" in wanted},
        endpoints=tuple(_endpoints(given, http)) if "deployment.execution.endpoints" in wanted else (),
        moving_path=given["moving_path"] or given["live_path"],
        moving_requests=given["moving_requests"],
        settle_s=given["settle_timeout"],
    )


def _endpoints(given: Mapping[str, Any], http: Http) -> Iterator[Endpoint]:
    default = {"path": given["live_path"], "status": 200, "jmespath": "status && timestamp && version && pid"}
    for item in given["endpoints"] or [default]:
        expression = item.get("jmespath") or ""
        problem = expression_problem(expression)
        if problem:
            raise InputError(f"endpoints: {expression!r} is not a JMESPath expression: {problem}.")
        url = item.get("url") or http.url_of(item.get("path") or "/")
        yield Endpoint(url, item["status"], item.get("contains") or "", expression)


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_module(module, probe)


if __name__ == "__main__":
    main()
