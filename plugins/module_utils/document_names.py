# Finds what a document names of a live system: objects and releases in its commands, and alerts.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ansible_collections.bytebot.production.plugins.module_utils.document_text import Block, Text

RELEASE, NAMESPACE = "release", "Namespace"
# By the names that kubectl takes; kinds whose names change with every roll-out, as pods, are left out.
KINDS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("deployment", "deployments", "deploy"), ("apps/v1", "Deployment")),
    **dict.fromkeys(("statefulset", "statefulsets", "sts"), ("apps/v1", "StatefulSet")),
    **dict.fromkeys(("daemonset", "daemonsets", "ds"), ("apps/v1", "DaemonSet")),
    **dict.fromkeys(("service", "services", "svc"), ("v1", "Service")),
    **dict.fromkeys(("secret", "secrets"), ("v1", "Secret")),
    **dict.fromkeys(("configmap", "configmaps", "cm"), ("v1", "ConfigMap")),
    **dict.fromkeys(("serviceaccount", "serviceaccounts", "sa"), ("v1", "ServiceAccount")),
    **dict.fromkeys(("persistentvolumeclaim", "persistentvolumeclaims", "pvc"), ("v1", "PersistentVolumeClaim")),
    **dict.fromkeys(("cronjob", "cronjobs", "cj"), ("batch/v1", "CronJob")),
    **dict.fromkeys(("ingress", "ingresses", "ing"), ("networking.k8s.io/v1", "Ingress")),
    **dict.fromkeys(
        ("horizontalpodautoscaler", "horizontalpodautoscalers", "hpa"), ("autoscaling/v2", "HorizontalPodAutoscaler")
    ),
    **dict.fromkeys(("poddisruptionbudget", "poddisruptionbudgets", "pdb"), ("policy/v1", "PodDisruptionBudget")),
    **dict.fromkeys(("namespace", "namespaces", "ns"), ("v1", NAMESPACE)),
}
_MAKES = frozenset({"create", "apply", "run", "expose"})  # what these name need not be there yet
_HELM = frozenset({"upgrade", "rollback", "history", "status", "uninstall", "test"})
_VALUED = frozenset({
    "-n", "--namespace", "-o", "--output", "-l", "--selector", "-c", "--container", "-f", "--filename", "--values",
    "--set", "--set-string", "--set-file", "--version", "--timeout", "--context", "--kubeconfig", "--kube-context",
    "--replicas", "--tail", "--since", "--revision", "--to-revision", "-p", "--patch", "--type", "--as", "--sort-by",
    "--field-selector", "--for", "--description", "--history-max", "--image",
})  # fmt: skip
_OPEN = re.compile(r"[$<{*`\[]|\.\.\.|…")
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
_CAMEL = re.compile(r"[A-Z][a-z0-9]+(?:[A-Z]+[a-z0-9]*)+|[A-Z]{2,}[a-z][A-Za-z0-9]+")
_OF_ALERTS = re.compile(r"\b(?:alerts?|alertname|fires?|firing)\b", re.IGNORECASE)
_LABEL = re.compile(r"alertname\s*=~?\s*\"?([A-Za-z_]\w*)")
# Words of this form that are no alerts: kinds of objects, and reasons that Kubernetes gives.
_NO_ALERT = re.compile(
    r"(?:\w*(?:Set|Job|Map|Account|Binding|Role|Claim|Class|Rule|Monitor|Policy|Config|Quota|Range|Budget|Autoscaler)"
    r"|CrashLoopBackOff|\w*BackOff|ErrImage\w*|\w*Killed|Failed(?:Scheduling|Mount)|Completed|NotReady|"
    r"ContainerCreating|CreateContainer\w+|InvalidImageName|PostgreSQL|PgBouncer|GitHub|GitLab|PagerDuty|OpsGenie|"
    r"VictoriaLogs|VictoriaMetrics|OpenAPI|JavaScript|TypeScript)"
)


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """One thing that a command names.

    :param kind: a kind of the Kubernetes API, or ``release``; :param namespace: empty for that of the release.
    """

    kind: str
    name: str
    namespace: str = ""
    api_version: str = "v1"

    def __str__(self) -> str:
        where = f" in namespace {self.namespace}" if self.namespace else ""
        return f"{self.kind} {self.name}{where}"


# ---------------------------------------------------------------------------- commands


def references(commands: Iterable[str]) -> list[Reference]:
    """What kubectl and helm are told to work on; what is left open ($NAME, <name>) names nothing."""
    found: list[Reference] = []
    made: set[Reference] = set()
    for command in commands:
        for words in _calls(command):
            of, making = _of_call(words)
            if making:
                made.update(of)
            else:
                found += of
    return [one for one in dict.fromkeys(found) if not any(_same(one, other) for other in made)]


def _same(one: Reference, made: Reference) -> bool:
    return (one.kind, one.name) == (made.kind, made.name) or (made.kind, made.name) == (NAMESPACE, one.namespace)


def _calls(command: str) -> Iterator[list[str]]:
    """The calls of kubectl and helm in a line, its pipes and lists taken apart."""
    for part in re.split(r"\|\|?|&&|;|\$\(", command.strip().removeprefix("$ ").removeprefix("# ")):
        try:
            words = shlex.split(part, comments=True)
        except ValueError:
            words = part.split()
        for program in ("kubectl", "helm"):
            if program in words[:2]:
                yield words[words.index(program) :]


def _of_call(words: list[str]) -> tuple[list[Reference], bool]:
    program, *rest = words
    if "--" in rest:
        rest = rest[: rest.index("--")]
    plain, namespace = _positional(rest)
    found = [Reference(NAMESPACE, namespace)] if namespace else []
    if not plain:
        return found, False
    if program == "helm":
        return found + _of_helm(plain, namespace), False
    making = plain[0] in _MAKES
    of = list(_of_kubectl(plain, namespace))
    return (of, True) if making else (found + of, False)


def _positional(words: list[str]) -> tuple[list[str], str]:
    """The words that are no options, and the namespace that is named."""
    plain: list[str] = []
    namespace, at = "", 0
    while at < len(words):
        word = words[at]
        name, equals, value = word.partition("=")
        if name in _VALUED and not equals:
            value, at = (words[at + 1] if at + 1 < len(words) else ""), at + 1
        if name in ("-n", "--namespace"):
            namespace = value if _is_name(value) else ""
        elif not word.startswith("-"):
            plain.append(word)
        at += 1
    return plain, namespace


def _of_helm(plain: list[str], namespace: str) -> list[Reference]:
    verb, *rest = plain
    if verb == "get" and len(rest) > 1:
        rest = rest[1:]
    elif verb not in _HELM:
        return []
    return [Reference(RELEASE, rest[0], namespace)] if rest and _is_name(rest[0]) else []


def _of_kubectl(plain: list[str], namespace: str) -> Iterator[Reference]:
    if plain[0] == "create":  # create secret generic NAME, create namespace NAME
        kinds = [word for word in plain[1:] if word in KINDS]
        if kinds and _is_name(plain[-1]) and plain[-1] not in KINDS:
            yield _object(kinds[0], plain[-1], namespace)
        return
    for number, word in enumerate(plain[1:], 1):
        kind, slash, name = word.partition("/")
        if slash and kind in KINDS and _is_name(name):
            yield _object(kind, name, namespace)
        elif word in KINDS and not slash:
            names = plain[number + 1 :]
            yield from (_object(word, one, namespace) for one in names if _is_name(one) and "/" not in one)
            return


def _object(kind: str, name: str, namespace: str) -> Reference:
    api_version, official = KINDS[kind]
    return Reference(official, name, "" if official == NAMESPACE else namespace, api_version)


def _is_name(text: str) -> bool:
    return bool(text) and not _OPEN.search(text) and _NAME.fullmatch(text) is not None


# ---------------------------------------------------------------------------- alerts


def alerts_named(text: Text) -> list[str]:
    """The alerts that a document names: words of their form, as code, heading or cell, where alerts are told of."""
    found = [name for block in text.blocks if _tells_of_alerts(block) for name in _names(block)]
    return sorted({*found, *(name for command in text.commands for name in _LABEL.findall(command))})


def _tells_of_alerts(block: Block) -> bool:
    return any(_OF_ALERTS.search(told) for told in (block.text, *block.chain))


def _names(block: Block) -> Iterator[str]:
    whole = (block.text,) if block.heading or " " not in block.text else ()
    for one in (*block.codes, *whole):
        if _CAMEL.fullmatch(one.strip()) and not _NO_ALERT.fullmatch(one.strip()):
            yield one.strip()


def mentions(text: Text, name: str) -> bool:
    """Whether a document has the word."""
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text.whole) is not None


def mentions_version(text: Text, version: str) -> bool:
    """Whether a document has the version, and not only a longer one that it is part of."""
    return re.search(rf"(?<![\d.])v?{re.escape(version)}(?![\w-]|\.\d)", text.whole) is not None
