# Tests of checks/ingress.py (tables of facts, each reason to fail its own case) and of observe_ingress.py.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from base64 import b64encode
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.module_utils.checks.ingress import (
    CHECKS,
    Fault,
    IngressFacts,
    TlsSecret,
    Wanted,
    faults,
    ingress,
)
from ansible_collections.bytebot.production.plugins.module_utils.errors import NotPermitted
from ansible_collections.bytebot.production.plugins.module_utils.model import State
from ansible_collections.bytebot.production.plugins.module_utils.observe_ingress import ingress_facts, settled_facts
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

HOST, SPACE = "api.bytebot.test", "bytebot-production"
Object = dict[str, Any]


def backend(name: str = "bytebot-api", port: Any = 80) -> Object:
    return {"service": {"name": name, "port": {"name" if isinstance(port, str) else "number": port}}}


def path(text: str = "/", kind: str = "Prefix", to: Object | None = None) -> Object:
    return {"path": text, "pathType": kind, "backend": to or backend()}


def an_ingress(
    name: str = "bytebot-api", *paths: Object, namespace: str = SPACE, host: str = HOST, **spec: Any
) -> Object:
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "ingressClassName": "traefik",
            "rules": [{"host": host, "http": {"paths": list(paths) or [path()]}}],
            "tls": [{"hosts": [host], "secretName": "bytebot-tls-secret"}],
            **spec,
        },
        "status": {"loadBalancer": {"ingress": [{"ip": "10.250.0.2"}]}},
    }


def a_service(name: str = "bytebot-api", **spec: Any) -> Object:
    return {
        "metadata": {"name": name, "namespace": SPACE},
        "spec": {"ports": [{"name": "http", "port": 80, "targetPort": 3000}], **spec},
    }


RIGHT = IngressFacts(
    Wanted((HOST,), ingress_class="traefik"),
    SPACE,
    ours=(an_ingress(),),
    classes={"traefik": "traefik.io/ingress-controller"},
    services={"bytebot-api": a_service()},
    ready={"bytebot-api": 2},
    secrets={"bytebot-tls-secret": TlsSecret("kubernetes.io/tls")},
)


def ours(**spec: Any) -> IngressFacts:
    return replace(RIGHT, ours=(an_ingress(**spec),))


def beside(*paths: Object, namespace: str = "elsewhere", **changes: Any) -> IngressFacts:
    return replace(RIGHT, others=(an_ingress("other", *paths, namespace=namespace, **changes),))


def unpublished() -> IngressFacts:
    return replace(RIGHT, ours=(an_ingress() | {"status": {"loadBalancer": {}}},))


def test_right() -> None:
    verdict = ingress(RIGHT)
    assert verdict.state == State.PASS and not verdict.remedy
    for word in (f"by Ingress {SPACE}/bytebot-api", "class traefik", HOST, "with TLS at 10.250.0.2", "1 path "):
        assert word in verdict.summary, verdict.summary
    assert verdict.evidence[0].observed["ready_endpoints"] == {"bytebot-api": 2}


@pytest.mark.parametrize(
    "facts",
    [
        ours(rules=[{"host": HOST, "http": {"paths": [path(to=backend(port="http"))]}}]),
        ours(tls=[{"secretName": "bytebot-tls-secret"}]),
        ours(host="*.bytebot.test"),
        replace(RIGHT, wanted=Wanted((HOST.upper(),))),
        replace(ours(tls=[]), wanted=Wanted((HOST,), tls=False)),
        replace(RIGHT, services={"bytebot-api": a_service(type="ExternalName", ports=None)}),
        ours(rules=[{"host": HOST, "http": {"paths": [path(to={"resource": {"kind": "Bucket", "name": "x"}})]}}]),
        replace(RIGHT, ours=(an_ingress(), an_ingress("sockets", path("/ws")))),
        beside(host="other.bytebot.test"),
        beside(ingressClassName="internal"),
        beside(path("/.well-known/acme-challenge/token", "ImplementationSpecific")),
        replace(beside(path("/")), ours=(an_ingress("a", path("/api", "Exact")),)),
        replace(beside(path("/apiary")), ours=(an_ingress("a", path("/api")),)),
        replace(beside(path("/")), ours=(an_ingress("a", path("/api")),)),
    ],
)
def test_other_right_forms(facts: IngressFacts) -> None:
    assert ingress(facts).state == State.PASS, ingress(facts).summary


def test_the_old_annotation_names_a_class() -> None:
    one = an_ingress(ingressClassName=None)
    one["metadata"]["annotations"] = {"kubernetes.io/ingress.class": "traefik"}
    assert ingress(replace(RIGHT, ours=(one,))).state == State.PASS


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (replace(RIGHT, ours=()), f"no Ingress in namespace {SPACE}."),
        (replace(RIGHT, ours=(), selector="app=x"), "with labels app=x"),
        (ours(ingressClassName=None), "names no class"),
        (ours(ingressClassName="nginx"), "the class nginx, which does not exist"),
        (replace(RIGHT, classes={}), "the class traefik, which does not exist"),
        (replace(RIGHT, wanted=Wanted((HOST,), ingress_class="nginx")), "has class traefik, and nginx is wanted"),
        (ours(host="other.bytebot.test"), f"has a rule for {HOST} (they have: other.bytebot.test)"),
        (ours(host="*.api.bytebot.test"), f"has a rule for {HOST}"),
        (replace(RIGHT, wanted=Wanted((HOST, "app.bytebot.test"))), "has a rule for app.bytebot.test"),
        (ours(tls=[]), f"publishes {HOST} without a TLS Secret"),
        (ours(tls=[{"hosts": [HOST]}]), f"publishes {HOST} without a TLS Secret"),
        (ours(tls=[{"hosts": ["x.test"], "secretName": "bytebot-tls-secret"}]), "without a TLS Secret"),
        (replace(RIGHT, services={}), "Service bytebot-api, which does not exist"),
        (ours(defaultBackend=backend("gone")), "any host/ leads to Service gone, which does not exist"),
        (replace(RIGHT, services={"bytebot-api": a_service(ports=[{"port": 8080}])}),
         "port 80 of Service bytebot-api, which has 8080"),
        (ours(rules=[{"host": HOST, "http": {"paths": [path(to=backend(port="web"))]}}]), "port web of Service"),
        (replace(RIGHT, secrets={"bytebot-tls-secret": None}), "bytebot-tls-secret, which does not exist"),
        (replace(RIGHT, secrets={}), "bytebot-tls-secret, which does not exist"),
        (replace(RIGHT, secrets={"bytebot-tls-secret": TlsSecret("Opaque")}),
         "of type Opaque and not kubernetes.io/tls"),
        (unpublished(), "no address in its status"),
        (beside(), f"{HOST}/ is claimed twice, by Ingress {SPACE}/bytebot-api and by Ingress elsewhere/other"),
        (beside(namespace=SPACE), "is claimed twice"),
        (beside(ingressClassName=None), "is claimed twice"),
        (beside(path("/api")), f"Ingress elsewhere/other takes {HOST}/api away"),
        (beside(path("/", "Exact")), f"takes {HOST}/ away"),
        (replace(RIGHT, ours=(an_ingress(), an_ingress("again"))), f"by Ingress {SPACE}/again"),
        (replace(RIGHT, ours=(an_ingress("a", path("/x"), path("/x/")),)), f"{HOST}/x is claimed twice"),
    ],
)  # fmt: skip
def test_wrong(facts: IngressFacts, reason: str) -> None:
    verdict = ingress(facts)
    assert verdict.state == State.FAIL and reason in verdict.summary, verdict.summary
    assert verdict.remedy and verdict.evidence


def test_every_fault_is_told_at_once() -> None:
    verdict = ingress(replace(ours(ingressClassName="nginx"), services={}, secrets={}))
    assert all(word in verdict.summary for word in ("class nginx", "Service bytebot-api", "bytebot-tls-secret"))


def test_denied_access_is_never_a_pass() -> None:
    for facts, hidden in (
        (replace(RIGHT, secrets={}, unreadable=("bytebot-tls-secret",)), f"Secret {SPACE}/bytebot-tls-secret"),
        (replace(RIGHT, classes=None), "IngressClasses"),
        (replace(RIGHT, everywhere=False), "the Ingresses of other namespaces"),
    ):
        assert ingress(facts).state == State.ERROR and hidden in ingress(facts).summary


words = st.none() | st.text(max_size=5)
tls_entry = st.fixed_dictionaries({"hosts": st.none() | st.lists(st.text()), "secretName": words})
loose = st.fixed_dictionaries(
    {
        "ingressClassName": words,
        "rules": st.lists(st.fixed_dictionaries({"host": words, "http": st.none() | st.just({})}), max_size=2),
        "tls": st.none() | st.lists(tls_entry),
        "defaultBackend": st.none() | st.just({"service": {"name": "x"}}),
    }
)


@given(spec=loose)
def test_any_sparse_ingress_is_judged(spec: Object) -> None:
    one = {"metadata": {"name": "a", "namespace": SPACE}, "spec": spec, "status": {}}
    assert ingress(replace(RIGHT, ours=(one,))).state == State.FAIL


# ---------------------------------------------------------------------- looking


class Lister:
    """A cluster of a few objects, with kinds that it keeps to itself."""

    def __init__(self, objects: list[tuple[str, Object]], forbidden: tuple[tuple[str, str], ...] = ()) -> None:
        self.objects, self.forbidden = objects, forbidden

    def list(self, _api: str, kind: str, namespace: str = "", *, labels: str = "", fields: str = "") -> list[Object]:
        self._guard(kind, namespace)
        key, _, value = labels.partition("=")
        return [
            deepcopy(obj)
            for of_kind, obj in self.objects
            if of_kind == kind
            and (not namespace or obj["metadata"].get("namespace") == namespace)
            and (not labels or obj["metadata"].get("labels", {}).get(key) == value)
        ]

    def get(self, _api: str, kind: str, name: str, namespace: str = "") -> Object | None:
        self._guard(kind, namespace)
        return next((obj for of_kind, obj in self.objects if of_kind == kind and obj["metadata"]["name"] == name), None)

    def _guard(self, kind: str, namespace: str) -> None:
        if (kind, namespace) in self.forbidden:
            raise NotPermitted(f"Not permitted to list {kind}.")


KEY = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0\n-----END PRIVATE KEY-----\n"
SECRET = {
    "metadata": {"name": "bytebot-tls-secret", "namespace": SPACE},
    "type": "kubernetes.io/tls",
    "data": {"tls.crt": b64encode(b"no certificate").decode(), "tls.key": b64encode(KEY.encode()).decode()},
}
SLICE = {
    "metadata": {"name": "s", "namespace": SPACE, "labels": {"kubernetes.io/service-name": "bytebot-api"}},
    "endpoints": [
        {"addresses": ["10.0.0.1"], "conditions": {"ready": True}},
        {"addresses": ["10.0.0.2"], "conditions": {"ready": False}},
        {"addresses": ["10.0.0.3"]},
    ],
}
ALL: list[tuple[str, Object]] = [
    ("Ingress", an_ingress()),
    ("Ingress", an_ingress("other", namespace="elsewhere", host="other.test")),
    ("IngressClass", {"metadata": {"name": "traefik"}, "spec": {"controller": "traefik.io/ingress-controller"}}),
    ("Service", a_service()),
    ("EndpointSlice", SLICE),
    ("Secret", SECRET),
]


def look(lister: Any, redactor: Redactor | None = None, selector: str = "") -> IngressFacts:
    return ingress_facts(lister, redactor or Redactor(), RIGHT.wanted, namespace=SPACE, selector=selector)


def test_everything_is_read_once_and_right() -> None:
    facts = look(Lister(ALL))
    assert ingress(facts).state == State.PASS, ingress(facts).summary
    assert (facts.everywhere, len(facts.others), facts.ready) == (True, 1, {"bytebot-api": 2})


def test_no_key_comes_out() -> None:
    redactor = Redactor()
    text = json.dumps([result.to_dict(redactor) for result in CHECKS.judge(look(Lister(ALL), redactor))])
    assert "MIIEvQIBADANBgkqhkiG9w0" not in text
    assert redactor.text("MIIEvQIBADANBgkqhkiG9w0") != "MIIEvQIBADANBgkqhkiG9w0"


def test_what_is_forbidden_is_known_as_such() -> None:
    facts = look(Lister(ALL, (("Ingress", ""), ("IngressClass", ""), ("Secret", SPACE))))
    assert (facts.everywhere, facts.classes, facts.unreadable) == (False, None, ("bytebot-tls-secret",))
    assert ingress(facts).state == State.ERROR


def test_the_selector_leaves_the_rest_to_shadowing() -> None:
    labelled = an_ingress()
    labelled["metadata"]["labels"] = {"app": "bytebot"}
    facts = look(Lister([("Ingress", labelled), ("Ingress", an_ingress("thief")), *ALL[2:]]), selector="app=bytebot")
    assert "by Ingress bytebot-production/thief" in ingress(facts).summary


def test_only_a_missing_address_is_waited_for() -> None:
    looks = iter([unpublished(), unpublished(), RIGHT])
    assert settled_facts(lambda: next(looks), 60, pause=lambda _seconds: None) is RIGHT
    wrong = replace(unpublished(), services={})
    assert settled_facts(lambda: wrong, 60, pause=lambda _seconds: pytest.fail("waited")) is wrong
    assert [fault.passing for fault in faults(wrong)] == [False, True]
    late = unpublished()
    assert settled_facts(lambda: late, 0, pause=lambda _seconds: pytest.fail("waited")) is late
    assert isinstance(faults(late)[0], Fault)
