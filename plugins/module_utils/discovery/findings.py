# Turns what one look showed into inputs of an inventory, each with where it was found, and names what is left; pure.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.discovery import around, credentials
from ansible_collections.bytebot.production.plugins.module_utils.discovery.credentials import (
    CACHE,
    DATABASE,
    Credentials,
)
from ansible_collections.bytebot.production.plugins.module_utils.discovery.facts import (
    Blank,
    Entry,
    Findings,
    Input,
    Note,
    Part,
)
from ansible_collections.bytebot.production.plugins.module_utils.discovery.look import Object, Seen
from ansible_collections.bytebot.production.plugins.module_utils.discovery.release import Export, Helm
from ansible_collections.bytebot.production.plugins.module_utils.redact import Word
from ansible_collections.bytebot.production.plugins.module_utils.secret.hide import data_of

GIVEN = "given to the discovery"
# Where the roles look for credentials when nothing is said; what stands there needs no line.
_USUAL = {DATABASE: "bytebot-db-secret", CACHE: "bytebot-redis-secret"}
_VARIABLE = {DATABASE: "bytebot_database", CACHE: "bytebot_redis"}
_SYSTEM = {"prometheus": "bytebot_prometheus", "alertmanager": "bytebot_alertmanager", "grafana": "bytebot_grafana",
           "log_store": "bytebot_log_store"}  # fmt: skip
_SECRETS_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Subject:
    """All that is known when the inventory is written.

    :param given: inventory variables that a person has said already; they win over what is found.
    :param unresolved: hosts whose names do not resolve on this machine.
    """

    seen: Seen
    helm: Helm | None
    export: Export
    given: Mapping[str, Any] = field(default_factory=dict)
    unresolved: frozenset[str] = frozenset()
    issuers: Mapping[str, str] = field(default_factory=dict)


def findings(subject: Subject) -> Findings:
    """The parts of the inventory in their order, and the files beside it."""
    secrets = credentials.own_secrets(subject.seen)
    parts: tuple[Part, ...] = (
        Part("How the cluster is reached", tuple(_connection(subject.given))),
        Part("What only a person can say", tuple(_said(subject))),
        Part("The release", tuple(_release(subject))),
        Part("Where it is published", tuple(_published(subject))),
        Part("Secrets: names and keys; no value was written", tuple(_secrets(subject, secrets))),
        Part("Database and cache", tuple(_servers(subject, secrets))),
        Part("What watches", tuple(_watching(subject))),
        Part("What runs", tuple(_running(subject))),
    )
    named = {one.name for part in parts for one in part.entries if not isinstance(one, Note)}
    rest = [Input(name, value, GIVEN) for name, value in subject.given.items() if name not in named]
    parts += (Part("Given besides", tuple(rest)),) if rest else ()
    return Findings(parts, subject.export.files, tuple(_unseen(subject.seen)))


def _said_already(given: Mapping[str, Any], *entries: Entry) -> list[Entry]:
    """The entries, with what a person has said in the place of what was found."""
    return [
        one if isinstance(one, Note) or one.name not in given else Input(one.name, given[one.name], GIVEN)
        for one in entries
    ]


def _connection(given: Mapping[str, Any]) -> list[Entry]:
    names = ("bytebot_kubeconfig", "bytebot_context", "bytebot_api_server", "bytebot_api_ca")
    entries: list[Entry] = [Input(name, given[name], GIVEN) for name in names if given.get(name)]
    if given.get("bytebot_api_server"):
        token = "{{ lookup('ansible.builtin.env', 'BYTEBOT_API_TOKEN') }}"
        entries.append(Input("bytebot_api_token", token, "never written; put it into this variable", template=True))
    if not entries:
        entries.append(Note("The cluster is reached by what the environment says (K8S_AUTH_…, KUBECONFIG).", GIVEN))
    return [
        *entries,
        *_said_already(given, Blank("bytebot_helm", "the helm program, where it is not the first on PATH")),
    ]


def _said(subject: Subject) -> list[Entry]:
    issuers = "; ".join(f"{name} was signed by {issuer}" for name, issuer in sorted(subject.issuers.items()))
    pairs = [
        str(one["metadata"]["name"])
        for one in credentials.own_secrets(subject.seen)
        if {"username", "password"} == set(data_of(one))
    ]
    logins = f"; Secrets with a username and a password: {', '.join(pairs)}" if pairs else ""
    return _said_already(
        subject.given,
        Blank(
            "bytebot_environment_kind",
            "sandbox, staging or production; what is not said is judged as production, the strictest",
            "production",
        ),
        Blank("bytebot_organization", "who runs this environment", "not said yet"),
        Blank(
            "bytebot_ca_file",
            "the CA to trust for the public addresses, where it is not a public one; until then a certificate of "
            f"another one is red{f'; {issuers}' if issuers else ''}",
        ),
        Blank(
            "bytebot_probe_image",
            "an image with sh and python3, bash, socat or nc, for short-lived pods that try the storage and carry "
            "connections; without it these controls are pending",
        ),
        Blank(
            "bytebot_login",
            "the Secret of a user that signs in, as {secret: NAME}, so that a token of the running application proves "
            f"its keys{logins}",
        ),
        Blank("bytebot_secrets", "how deploy.yml makes the Secrets; those that are there are judged without it", []),
    )


def _release(subject: Subject) -> list[Entry]:
    seen, helm, export = subject.seen, subject.helm, subject.export
    entries: list[Entry] = [Input("bytebot_namespace", seen.namespace, GIVEN)]
    if helm is None:
        entries.append(
            Blank("bytebot_release", "the name of the Helm release, of which nothing is to be seen", "bytebot")
        )
    else:
        entries.append(Input("bytebot_release", helm.name, helm.where))
    if helm and helm.release:
        one = helm.release
        entries.append(
            Note(
                f"Revision {one.revision} ({one.status}): chart {one.chart_name} {one.chart_version}, application "
                f"{one.app_version or 'without a version'}",
                helm.where,
            )
        )
    if export.files and helm:
        kept = f"{helm.where}; put your own source in its place when you deploy"
        entries.append(Input("bytebot_chart", "{{ inventory_dir }}/../chart", kept, template=True))
        entries.append(Input("bytebot_values_files", ["{{ inventory_dir }}/../values.yaml"], helm.where, template=True))
    else:
        why = export.problem or "Helm's record was not seen"
        entries.append(Blank("bytebot_chart", f"folder, archive or oci:// reference of the chart ({why})"))
        entries.append(Blank("bytebot_values_files", "the values files of this environment, in their order", []))
    if export.left_out:
        places = ", ".join(export.left_out)
        entries.append(Blank("bytebot_values", f"values that look like secrets were not written: {places}", {}))
    return _said_already(subject.given, *entries)


def _published(subject: Subject) -> list[Entry]:
    seen, found = subject.seen, around.hosts(subject.seen)
    if not found:
        nothing = "no Ingress, Route or HTTPRoute with a host was seen"
        return _said_already(
            subject.given,
            Blank("bytebot_base_url", f"public address of the API ({nothing})"),
            Blank("bytebot_hosts", "host names that must be published over TLS", []),
            Blank("bytebot_allowed_hosts", "hosts that may be probed; nothing else ever is", []),
        )
    where = "; ".join(f"{host.name}: {host.where}" for host in found)
    api, why = around.api_host(found) or (found[0], "")
    names = [host.name for host in found]
    entries: list[Entry] = [
        Input("bytebot_base_url", f"{'https' if api.tls else 'http'}://{api.name}", f"{api.where}; {why}"),
        Input("bytebot_hosts", names, where),
        Input("bytebot_allowed_hosts", names, f"{where}; take out what is not yours to probe"),
    ]
    if told := around.ingress_class(seen):
        entries.append(Input("bytebot_ingress_class", *told))
    at = {name: told for name, told in around.addresses(seen).items() if name in names}
    unresolved = {name: address for name, (address, _where) in at.items() if name in subject.unresolved}
    entries += [Note(f"{name} is at {address}", said) for name, (address, said) in at.items() if name not in unresolved]
    if unresolved:
        told_by = "; ".join(dict.fromkeys(at[name][1] for name in unresolved))
        entries.append(
            Input("bytebot_resolve", unresolved, f"{told_by}, for the names do not resolve on the machine that looked")
        )
    return _said_already(subject.given, *entries)


def _secrets(subject: Subject, secrets: Sequence[Object]) -> list[Entry]:
    if "Secret" in subject.seen.denied:
        return _said_already(
            subject.given, Blank("bytebot_other_secrets", "Secrets to judge; none could be listed", [])
        )
    entries: list[Entry] = [
        Note(f"Type {one.get('type', 'Opaque')}, keys: {', '.join(sorted(data_of(one))) or 'none'}", _secret(one))
        for one in secrets[:_SECRETS_SHOWN]
    ]
    names = [Word(one["metadata"]["name"]) for one in secrets]
    if names:
        entries.append(Input("bytebot_other_secrets", names, f"LIST of Secrets in namespace {subject.seen.namespace}"))
    for keys in credentials.token_keys(secrets)[:1]:
        value: dict[str, Any] = {"secret": Word(keys.secret)}
        if keys.pairs:
            value["pairs"] = [{"private_key": Word(one), "public_key": Word(other)} for one, other in keys.pairs]
        else:
            value["shared_secret_key"] = Word(keys.shared)
        entries.append(Input("bytebot_jwt", value, f"names of the keys in Secret {keys.secret}"))
    return _said_already(subject.given, *entries)


def _secret(obj: Object) -> str:
    return f"Secret {obj['metadata']['name']}"


def _servers(subject: Subject, secrets: Sequence[Object]) -> list[Entry]:
    entries: list[Entry] = []
    found = credentials.credentials(secrets)
    for kind in (DATABASE, CACHE):
        ours = [one for one in found if one.kind == kind]
        for one in ours:
            where = f"Secret {one.secret}, keys {', '.join(one.keys[part] for part in _telling(one))}"
            entries.append(Note(f"{kind} is at {one.address}", where))
        told = [one for one in credentials.told_to_pods(subject.seen) if one.kind == kind]
        entries += [Note(f"{kind} is at {one.address}", one.where) for one in told]
        entries += [
            Note(f"Port {credentials.PORTS[kind]} is served at {address}", where)
            for address, where in around.servers(subject.seen, credentials.PORTS[kind])
        ]
        if ours:
            chosen = next((one for one in ours if one.secret == _USUAL[kind]), ours[0])
            others = f"; there are {len(ours)}, see above" if len(ours) > 1 else ""
            entries.append(
                Input(_VARIABLE[kind], _keys(chosen), f"names of the keys in Secret {chosen.secret}{others}")
            )
        else:
            entries.append(
                Blank(_VARIABLE[kind], f"the Secret that holds the credentials of {kind}, as {{secret: NAME}}", {})
            )
    return _said_already(subject.given, *entries)


def _telling(found: Credentials) -> list[str]:
    return ["url"] if "url" in found.keys else [part for part in ("host", "port", "database") if part in found.keys]


def _keys(found: Credentials) -> dict[str, Any]:
    """The Secret and the names of its keys, as the roles take them; the usual names need not be said."""
    if "url" in found.keys:
        return {
            "secret": Word(found.secret),
            "dsn_key" if found.kind == DATABASE else "url_key": Word(found.keys["url"]),
        }
    usual = {"ca": "ca.crt"}
    taken = ("username", "password", "host", "port", "database", "ca") if found.kind == DATABASE else (
        "username", "password", "host", "port", "ca"
    )  # fmt: skip
    keys = {f"{part}_key": Word(found.keys[part]) for part in taken if part in found.keys}
    return {
        "secret": Word(found.secret),
        **{name: key for name, key in keys.items() if key != usual.get(name[:-4], name[:-4])},
    }


def _watching(subject: Subject) -> list[Entry]:
    entries: list[Entry] = []
    found = around.monitoring(subject.seen)
    for kind, variable in _SYSTEM.items():
        ours = [one for one in found if one.kind == kind]
        entries += [Note(f"{kind} is at {one.url}", one.where) for one in ours]
        if ours:
            known = f"in the cluster it is at {ours[0].url}"
            entries.append(Blank(variable, f"how this machine reaches it, as {{url: …}}; {known}"))
    if not found:
        where = (
            "in all namespaces" if "Service" in subject.seen.everywhere else f"in namespace {subject.seen.namespace}"
        )
        entries.append(Note("No Service is called, or labelled, as a monitoring system", f"LIST of Services {where}"))
    return _said_already(subject.given, *entries)


def _running(subject: Subject) -> list[Entry]:
    entries: list[Entry] = [Note(text, where) for text, where in around.running(subject.seen)]
    entries += [Note(f"Storage class {name}", where) for name, where in around.storage_classes(subject.seen)]
    return entries or [Note("Nothing runs in this namespace", "LIST of Deployments, StatefulSets and DaemonSets")]


def _unseen(seen: Seen) -> list[str]:
    denied = [f"{kind}: {why}" for kind, why in sorted(seen.denied.items())]
    return [*denied, *(f"{kind}: this cluster does not serve it" for kind in seen.not_served)]
