# Observes the Secrets of a release once, for the checks in checks/secrets.py.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks import secrets_values
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import (
    DATABASE,
    DOCUMENT_BITS,
    JWT,
    JWT_KEYS,
    REDIS,
    Held,
    JwtKeys,
    Keys,
    Manager,
    SecretFacts,
    TlsWanted,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError, NotPermitted, NotThere
from ansible_collections.bytebot.production.plugins.module_utils.helm.release import history
from ansible_collections.bytebot.production.plugins.module_utils.observe_injected import injected
from ansible_collections.bytebot.production.plugins.module_utils.observe_keys import uses_of
from ansible_collections.bytebot.production.plugins.module_utils.observe_sign_in import sign_ins
from ansible_collections.bytebot.production.plugins.module_utils.observe_token import Login, token_of
from ansible_collections.bytebot.production.plugins.module_utils.podspec import pod_spec
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.scratch_pod import Probe
from ansible_collections.bytebot.production.plugins.module_utils.secret import hide

Object = dict[str, Any]
TYPES = ("Opaque", "kubernetes.io/tls", "kubernetes.io/basic-auth")  # others have makers and forms of their own
RELEASE_NAME = "meta.helm.sh/release-name"
TLS_SECRET = "bytebot-tls-secret"  # where neither an input nor an Ingress names one
# External Secrets Operator, API reference; Sealed Secrets, README; Secrets
# Store CSI driver, "Sync as Kubernetes Secret".
MANAGERS = (
    ("external-secrets.io/v1", "ExternalSecret"),
    ("external-secrets.io/v1beta1", "ExternalSecret"),
    ("bitnami.com/v1alpha1", "SealedSecret"),
    ("secrets-store.csi.x-k8s.io/v1", "SecretProviderClass"),
)
_IN_STEP = {"ExternalSecret": "Ready", "SealedSecret": "Synced"}


@dataclass(frozen=True, slots=True)
class Scope:
    """What is looked at.

    :param ingress_class: hosts that each certificate must cover come from the Ingresses of the release.
    :param others: further Secrets to judge for encoding and strength.
    :param to_be_made: those that a run without check mode makes first.
    :param probe: how a pod is made to sign in from; None where none may be, for the reason in ``no_probe``.
    :param login: how the running application is asked for a token; None where it is not.
    """

    namespace: str
    release: str
    database: Keys = field(default_factory=lambda: Keys("bytebot-db-secret"))
    redis: Keys = field(default_factory=lambda: Keys("bytebot-redis-secret", required=("password", "host")))
    jwt: JwtKeys = field(default_factory=JwtKeys)
    tls: TlsWanted = field(default_factory=TlsWanted)
    others: tuple[str, ...] = ()
    to_be_made: frozenset[str] = frozenset()
    probe: Probe | None = None
    no_probe: str = ""
    login: Login | None = None
    minimum_bits: int = DOCUMENT_BITS
    minimum_length: int = 0
    binary: frozenset[str] = frozenset()
    only: Collection[str] = ()

    def judges(self, control: str) -> bool:
        """Whether a control is judged."""
        return control in (self.only or CHECKS.controls)


def observe(cluster: Cluster, scope: Scope, redactor: Redactor, folder: str) -> SecretFacts:
    """Read the Secrets, the deployed revision, Ingresses and managers; sign in and ask for a token where that is given.

    :param folder: a private folder for the CA of a server, which vanishes with the task.
    """
    objects, released, problem = released_objects(cluster, scope.release, scope.namespace)
    tls = _tls(cluster, scope)
    own = (scope.database.secret, scope.redis.secret, scope.jwt.secret, *tls.secrets)
    listed = dict.fromkeys((*own, *scope.others))
    names = {**listed, **dict.fromkeys(name for one in objects for name in referenced(one))}
    secrets, absent, denied = read_secrets(cluster, scope.namespace, names)
    told = (scope.namespace, scope.release, *names, *(key for one in secrets for key in one.get("data") or {}))
    _learn(redactor, secrets, told, scope)
    makers, unread = managers(cluster, scope.namespace)
    held = {
        one["metadata"]["name"]: _held(one, makers)
        for one in secrets
        if one.get("type", "Opaque") in TYPES or one["metadata"]["name"] in listed
    }
    facts = SecretFacts(
        namespace=scope.namespace,
        held=held,
        absent=tuple(absent),
        denied=denied,
        released=released,
        release_problem=problem,
        injected=injected(cluster, scope.namespace, objects),
        mentions_redis=tuple(mentions(objects, held)),
        unread_managers=unread,
        to_be_made=scope.to_be_made,
        database=scope.database,
        redis=scope.redis,
        jwt=scope.jwt,
        tls=tls,
        no_probe=scope.no_probe,
        minimum_bits=scope.minimum_bits,
        minimum_length=scope.minimum_length,
        binary=scope.binary,
    )
    if scope.probe:
        asked = [
            (control, keys, service)
            for control, keys, service in ((DATABASE, scope.database, "postgresql"), (REDIS, scope.redis, "redis"))
            if scope.judges(control) and keys.secret in held
        ]
        found = sign_ins(cluster, scope.probe, held, asked, folder)
        facts = replace(facts, database_sign_in=found.get(DATABASE), redis_sign_in=found.get(REDIS))
    if scope.login and _asks_for_token(scope) and scope.jwt.secret in held:
        facts = replace(facts, token=token_of(cluster, scope.login, scope.namespace, redactor))
    if scope.judges(JWT_KEYS) and scope.jwt.secret in held:
        facts = replace(facts, key_uses=uses_of(cluster, scope.namespace, scope.jwt))
    return facts


def _asks_for_token(scope: Scope) -> bool:
    """Whether a control wants one; that of the deployment wants none where a shared text signs."""
    return scope.judges(JWT_KEYS) or (scope.judges(JWT) and not scope.jwt.shared)


def _learn(redactor: Redactor, secrets: Iterable[Object], told: tuple[str, ...], scope: Scope) -> None:
    """Mask all values but those that say where a service is, who signs in, and certificates, which are told."""
    open_keys = {scope.database.host, scope.database.port, scope.database.database, scope.redis.host, scope.redis.port}
    open_keys |= {scope.database.username, scope.redis.username, scope.database.ca, "tls.crt", "ca.crt"}
    for one in secrets:
        data = hide.data_of(one)
        hide.learn(redactor, (value for key, value in data.items() if key not in open_keys and _hidden(value)), told)


def _hidden(value: bytes) -> bool:
    """Whether a value may be a secret: the text of a command that never ran is none, and the remedy repeats it."""
    return not secrets_values.is_command(value.decode("utf-8", "replace"))


def read_secrets(
    cluster: Cluster, namespace: str, names: Iterable[str]
) -> tuple[list[Object], list[str], dict[str, str]]:
    """The Secrets that are there, the names of those that are not, and why some could not be read."""
    found: list[Object] = []
    absent: list[str] = []
    denied: dict[str, str] = {}
    for name in names:
        try:
            one = cluster.get("v1", "Secret", name, namespace)
        except NotPermitted as exc:
            denied[name] = exc.sentence
            continue
        if one is None:
            absent.append(name)
        else:
            found.append(one)
    return found, absent, denied


# ---------------------------------------------------------------------------- the release


def released_objects(cluster: Cluster, release: str, namespace: str) -> tuple[tuple[Object, ...], bool, str]:
    """The objects of the deployed revision, whether there is one, and why that is not known."""
    try:
        kept = history(cluster, release, namespace, os.environ.get("HELM_DRIVER", ""))
    except CollectionError as exc:
        return (), False, exc.sentence
    deployed = next((one for one in kept if one.status == "deployed"), None)
    if deployed is None:
        return (), False, ""
    return (*deployed.objects, *deployed.operating_hooks), True, ""


def referenced(obj: Mapping[str, Any]) -> Iterator[str]:
    """The names of the Secrets that a workload or an Ingress refers to and needs; pull secrets are other people's."""
    if obj.get("kind") == "Ingress":
        entries = (obj.get("spec") or {}).get("tls") or []
        yield from (str(entry["secretName"]) for entry in entries if entry.get("secretName"))
    spec = pod_spec(obj) or {}
    for volume in spec.get("volumes") or []:
        yield from _of_volume(volume)
    for group in ("initContainers", "containers"):
        for container in spec.get(group) or []:
            for source in container.get("envFrom") or []:
                yield from _named(source.get("secretRef"), "name")
            for variable in container.get("env") or []:
                yield from _named((variable.get("valueFrom") or {}).get("secretKeyRef"), "name")


def _of_volume(volume: Mapping[str, Any]) -> Iterator[str]:
    yield from _named(volume.get("secret"), "secretName")
    for source in (volume.get("projected") or {}).get("sources") or []:
        yield from _named(source.get("secret"), "name")


def _named(reference: Mapping[str, Any] | None, key: str) -> Iterator[str]:
    if reference and reference.get(key) and not reference.get("optional"):
        yield str(reference[key])


def mentions(objects: Iterable[Object], held: Mapping[str, Held]) -> Iterator[str]:
    """Where the release mentions Redis: any key or text of any object, or a key or URL in a Secret that it uses."""
    for obj in objects:
        if "redis" in str(obj).lower():
            yield f"{obj.get('kind')} {(obj.get('metadata') or {}).get('name')}"
    for name, one in held.items():
        if any("redis" in key.lower() or value.startswith((b"redis:", b"rediss:")) for key, value in one.data.items()):
            yield f"Secret {name}"


def _tls(cluster: Cluster, scope: Scope) -> TlsWanted:
    """The certificates to judge, with the hosts that the release's Ingresses serve with each."""
    served: dict[str, list[str]] = {}
    for ingress in cluster.list("networking.k8s.io/v1", "Ingress", scope.namespace):
        metadata = ingress["metadata"]
        label = (metadata.get("labels") or {}).get("app.kubernetes.io/instance")
        if scope.release in (label, (metadata.get("annotations") or {}).get(RELEASE_NAME)):
            for entry in (ingress.get("spec") or {}).get("tls") or []:
                if entry.get("secretName"):
                    served.setdefault(str(entry["secretName"]), []).extend(entry.get("hosts") or [])
    names = scope.tls.secrets or tuple(served) or (TLS_SECRET,)
    hosts = {name: tuple(dict.fromkeys(found)) for name, found in served.items() if name in names}
    return replace(scope.tls, secrets=tuple(dict.fromkeys(names)), hosts=hosts)


# ---------------------------------------------------------------------------- what makes Secrets from outside


def managers(cluster: Cluster, namespace: str) -> tuple[dict[str, list[Manager]], dict[str, str]]:
    """By Secret, what makes it from outside; and by kind, why objects of it could not be read."""
    found: dict[str, list[Manager]] = {}
    unread: dict[str, str] = {}
    seen: set[str] = set()
    for api_version, kind in MANAGERS:
        if kind in seen or not cluster.serves(api_version, kind):
            continue
        seen.add(kind)
        try:
            objects = cluster.list(api_version, kind, namespace)
        except (NotPermitted, NotThere) as exc:
            unread[kind] = exc.sentence
            continue
        for one in objects:
            for name in _makes(kind, one):
                found.setdefault(name, []).append(Manager(kind, one["metadata"]["name"], _problem(kind, one)))
    return found, unread


def _makes(kind: str, obj: Mapping[str, Any]) -> list[str]:
    spec, own = obj.get("spec") or {}, str(obj["metadata"]["name"])
    if kind == "SecretProviderClass":
        return [str(one["secretName"]) for one in spec.get("secretObjects") or [] if one.get("secretName")]
    if kind == "SealedSecret":
        return [str(((spec.get("template") or {}).get("metadata") or {}).get("name") or own)]
    return [str((spec.get("target") or {}).get("name") or own)]


def _problem(kind: str, obj: Mapping[str, Any]) -> str:
    wanted = _IN_STEP.get(kind)
    if wanted is None:
        return ""  # the driver keeps no condition; a mount that fails keeps pods from starting
    conditions = {one.get("type"): one for one in (obj.get("status") or {}).get("conditions") or []}
    condition = conditions.get(wanted)
    if condition is None:
        return f"it has no condition {wanted} yet"
    if condition.get("status") == "True":
        return ""
    said = condition.get("message") or condition.get("reason") or "no reason is given"
    return f"{wanted} is {condition.get('status')} ({str(said)[:200].rstrip('.')})"


def _held(obj: Object, managers: Mapping[str, list[Manager]]) -> Held:
    name = obj["metadata"]["name"]
    known = list(managers.get(name, ()))
    owners = obj["metadata"].get("ownerReferences") or []
    kinds = {kind for _api, kind in MANAGERS}
    for owner in owners:
        if owner.get("kind") in kinds and not any(one.name == owner.get("name") for one in known):
            known.append(Manager(owner["kind"], str(owner.get("name"))))
    return Held(name, str(obj.get("type") or "Opaque"), hide.data_of(obj), tuple(known))
