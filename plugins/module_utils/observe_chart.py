# Learns about a chart with one set of values: lint, rendering, and what admission says, for checks/chart.py.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.chart_facts import (
    ChartFacts,
    LintMessage,
    ValueFacts,
    Wanted,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.cluster_version import server_minor
from ansible_collections.bytebot.production.plugins.module_utils.checks.value_use import (
    Path,
    changed_at,
    defaults_of,
    doubtful,
    merged,
    uses,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.drift import differences
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CommandFailed,
    NotPermitted,
    NotThere,
    Refused,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm.chart_source import read_chart
from ansible_collections.bytebot.production.plugins.module_utils.helm.cli import UNVALIDATED, HelmCli
from ansible_collections.bytebot.production.plugins.module_utils.helm.release import Release, learn_secrets
from ansible_collections.bytebot.production.plugins.module_utils.helm.values import Values
from ansible_collections.bytebot.production.plugins.module_utils.manifest import digest, identity
from ansible_collections.bytebot.production.plugins.module_utils.podspec import pod_template
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

Object = dict[str, Any]
_LINT_LINE = re.compile(r"^\[(INFO|WARNING|ERROR)\]\s*(.*)$")
_MANAGER = "helm"
_QUOTA = re.compile(r"exceeded quota|failed quota")  # Kubernetes, ResourceQuota admission


@dataclass(frozen=True, slots=True)
class Scope:
    """Which chart is looked at, with which values, and what it is judged by.

    :param chart: folder or archive of the chart; :param judges_values: whether the values' own controls are asked for.
    :param others: values of other environments, by name.
    """

    name: str
    namespace: str
    chart: str
    values: Values
    wanted: Wanted = field(default_factory=Wanted)
    others: Mapping[str, Values] = field(default_factory=dict)
    judges_values: bool = True


def observe(cluster: Cluster, helm: HelmCli, redactor: Redactor, scope: Scope) -> ChartFacts:
    """Lint the chart, render it on the server, and ask admission about every object and a pod of each template."""
    chart, values, namespace = scope.chart, scope.values, scope.namespace
    values.teach(redactor)
    done = helm.attempt("lint", chart, "--strict", "--with-subcharts", *values.arguments(), stdin=values.stdin())
    release, problem = _rendered(helm, scope.name, chart, values)
    objects, hooks = (release.objects, release.operating_hooks) if release else ((), ())
    learn_secrets(redactor, (*objects, *(release.hooks if release else ())))
    refusals, not_asked, asked = _admission(cluster, objects, hooks, namespace)
    about, wanted = _values(helm, scope, release) if scope.judges_values else (ValueFacts(), scope.wanted)
    return ChartFacts(
        chart=chart,
        values=values.files,
        namespace=namespace,
        lint_ok=done.code == 0,
        lint=tuple(parse_lint(done.stdout + "\n" + done.stderr)),
        render_error=problem,
        objects=objects,
        hooks=hooks,
        refusals=tuple(refusals),
        not_asked=tuple(not_asked),
        asked=asked,
        minor=_minor(cluster),
        deprecations=tuple(text for text in cluster.warnings if "deprecated" in text),
        values_digest=release.values_digest if release else "",
        value_facts=about,
        wanted=wanted,
    )


# ---------------------------------------------------------------------------- values


def _values(helm: HelmCli, scope: Scope, release: Release | None) -> tuple[ValueFacts, Wanted]:
    """What the chart's own files say of the values, and what each doubtful one does when it is another."""
    source = read_chart(scope.chart)
    defaults, given = defaults_of(source), scope.values.merged()
    doubts = doubtful(given, defaults, uses(source))
    idle, undecided = _without_effect(helm, scope, release, (*doubts.unread, *doubts.undecided))
    others = {name: merged(defaults, other.merged()) for name, other in scope.others.items()}
    about = ValueFacts(
        merged=merged(defaults, given),
        given=given,
        schema=source.schema,
        unread=tuple(path for path in doubts.unread if path in (*idle, *undecided)),
        without_effect=tuple(path for path in doubts.undecided if path in idle),
        undecided=tuple(path for path in doubts.undecided if path in undecided),
    )
    return about, replace(scope.wanted, others=others)


def _without_effect(
    helm: HelmCli, scope: Scope, release: Release | None, paths: tuple[Path, ...]
) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Those values whose change leaves all that is rendered as it is, and those of which that cannot be seen.

    A value that a schema or a template refuses when it is another is read by it. Where two renderings of the same
    values differ (random values), nothing can be seen.
    """
    if not paths:
        return (), ()
    if release is None:
        return (), paths

    def same(changed: tuple[Path, ...]) -> bool:
        changes = changed_at(scope.values.merged(), changed)
        found, _problem = _rendered(helm, scope.name, scope.chart, scope.values.over(changes), UNVALIDATED)
        return found is not None and _content(found) == _content(release)

    if not same(()):
        return (), paths
    if same(paths):
        return paths, ()
    return tuple(path for path in paths if same((path,))), ()


def _content(release: Release) -> str:
    return digest((*release.objects, *release.hooks))


def _minor(cluster: Cluster) -> int | None:
    found = server_minor(cluster.version())
    return found[1] if found else None


def parse_lint(text: str) -> Iterator[LintMessage]:
    """The messages in what ``helm lint`` prints."""
    for line in text.splitlines():
        if found := _LINT_LINE.match(line.strip()):
            yield LintMessage(found.group(1), found.group(2))


def _rendered(helm: HelmCli, name: str, chart: str, values: Values, *more: str) -> tuple[Release | None, str]:
    arguments = ["upgrade", name, chart, "--install", "--dry-run=server", *more, *values.upgrade_arguments()]
    try:
        return Release.from_helm(helm.call_json(*arguments, stdin=values.stdin())), ""
    except CommandFailed as exc:
        return None, exc.sentence.rstrip(".")


def _admission(
    cluster: Cluster, objects: tuple[Object, ...], hooks: tuple[Object, ...], namespace: str
) -> tuple[list[str], list[str], int]:
    """Ask about every object, and about a pod of each template. Of hooks only pods: helm deletes a hook before it
    makes it anew, so a change that the live one would refuse is none.
    """
    refusals: list[str] = []
    not_asked: list[str] = []
    asked = 0
    for item in differences(cluster, objects, namespace, _MANAGER):
        asked += 1
        if item.refusal:
            refusals.append(f"{item.identity}: {item.refusal}")
        elif item.planned is None:
            not_asked.append(str(item.identity))
    new_accounts = {
        obj["metadata"]["name"]
        for obj in (*objects, *hooks)
        if obj["kind"] == "ServiceAccount"
        and not cluster.get("v1", "ServiceAccount", obj["metadata"]["name"], namespace)
    }
    for obj in (*objects, *hooks):
        template = pod_template(obj)
        if template is None:
            continue
        asked += 1
        try:
            cluster.create(_pod_of(obj, template, namespace, new_accounts), dry_run=True)
        except NotThere:
            not_asked.append(f"a pod of {identity(obj, namespace)}")
        except Refused as exc:
            # a quota speaks of how much there is already: deployment.preparation.resources judges that
            found = not_asked if _QUOTA.search(exc.sentence) else refusals
            found.append(f"a pod of {identity(obj, namespace)}: {exc.sentence}")
        except NotPermitted as exc:
            not_asked.append(f"a pod of {identity(obj, namespace)}: {exc.sentence}")
    return refusals, not_asked, asked


def _pod_of(obj: Object, template: Object, namespace: str, new_accounts: set[str]) -> Object:
    """A pod as the workload's controller would make it; only admission ever sees it.

    :param new_accounts: ServiceAccounts that come with the release: admission would not find them yet.
    """
    spec = {"restartPolicy": "Always", **(template.get("spec") or {})}
    if spec.get("serviceAccountName") in new_accounts:
        spec = {key: value for key, value in spec.items() if key not in ("serviceAccountName", "serviceAccount")}
    labels = (template.get("metadata") or {}).get("labels") or {}
    annotations = (template.get("metadata") or {}).get("annotations") or {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"{obj['metadata']['name']}-",
            "namespace": (obj.get("metadata") or {}).get("namespace") or namespace,
            "labels": labels,
            "annotations": annotations,
        },
        "spec": spec,
    }
