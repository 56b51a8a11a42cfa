# The values of a release and its environment: what is missing, a placeholder, without effect, or of elsewhere.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.module_utils.checks.chart import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.chart_facts import (
    ChartFacts,
    ValueFacts,
    Wanted,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.placeholders import mark_in
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict
from tests.unit.collection.helm_fakes import SHOP, Object


def deployment(image: str = "registry/api:1.0.0", replicas: int | None = 2, **container: Any) -> Object:
    one = {"name": "api", "image": image, **container}
    labels = {"app": "api"}
    spec = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [one]}},
    }
    told = {} if replicas is None else {"replicas": replicas}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api"}, "spec": {**spec, **told}}


def named(kind: str, /, spec: Any = None, **more: Any) -> Object:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "x"}, "spec": spec or {}, **more}


def ingress(*hosts: str) -> Object:
    return named("Ingress", {"rules": [{"host": host} for host in hosts], "tls": [{"hosts": list(hosts)}]})


SERVICE = named("Service", {"selector": {"app": "api"}})
SCALER = named("HorizontalPodAutoscaler", {"scaleTargetRef": {"kind": "Deployment", "name": "api"}, "minReplicas": 3})
HOST = "api.shop.com"
FACTS = ChartFacts(
    "./chart", (), SHOP, True, (), "", (deployment(), SERVICE, ingress(HOST)), wanted=Wanted(hosts=(HOST,))
)


def verdict(item: str, facts: ChartFacts) -> Verdict:
    return CHECKS.judge(facts, [f"deployment.validation.{item}"])[0].verdict


def of_values(**about: Any) -> Verdict:
    return verdict("values", replace(FACTS, value_facts=ValueFacts(**about)))


# ---------------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"schema": {"required": ["a"]}}, "Required and not set: a."),
        ({"schema": {"required": ["a"]}, "merged": {"a": None}}, "Required and not set: a."),
        (
            {"schema": {"properties": {"a": {"required": ["b"]}}}, "merged": {"a": {"c": 1}}},
            "Required and not set: a.b.",
        ),
        ({"schema": {"properties": {"a": {"minLength": 1}}}, "merged": {"a": ""}}, "Required and not set: a."),
        ({"merged": {"a": {"password": "changeme"}}}, "a.password is a placeholder (changeme)"),
        ({"merged": {"a": ["x", "api.example.com"]}}, "a[1] is a placeholder (api.example.com)"),
        ({"unread": (("a", "b"),)}, "without any effect on what is deployed: a.b."),
        ({"without_effect": (("global", "imageTag"),)}, "without any effect on what is deployed: global.imageTag."),
    ],
)
def test_values_that_are_red(about: dict[str, Any], words: str) -> None:
    found = of_values(**about)
    assert (found.state, words in found.summary) == ("fail", True), found.summary


@pytest.mark.parametrize("value", [None, "", [], {}])
def test_a_value_that_the_environment_requires_must_be_there(value: Any) -> None:
    facts = replace(FACTS, wanted=Wanted(required_values=("a.b",)), value_facts=ValueFacts(merged={"a": {"b": value}}))
    assert "Required and not set: a.b." in verdict("values", facts).summary


def test_what_a_template_requires_is_told_in_its_own_words() -> None:
    said = "helm upgrade failed: execution error at (shop/templates/a.yaml:3:4): domain is needed"
    found = verdict("values", replace(FACTS, render_error=said, objects=()))
    assert found.state == "fail"
    assert "domain is needed (shop/templates/a.yaml:3:4)" in found.summary


def test_what_does_not_render_for_another_reason_is_not_known() -> None:
    assert verdict("values", replace(FACTS, render_error="broken", objects=())).state == "inconclusive"


def test_a_placeholder_in_a_rendered_secret_is_named_by_its_key_alone() -> None:
    data = {"token": base64.b64encode(b"REPLACE_WITH_secret-part").decode()}
    found = verdict("values", replace(FACTS, objects=(named("Secret", data=data),)))
    assert "Secret shop/x.data.token is a placeholder (REPLACE_WITH)" in found.summary
    assert "secret-part" not in found.summary


def test_a_comment_in_a_file_is_no_placeholder() -> None:
    facts = replace(FACTS, objects=(*FACTS.objects, named("ConfigMap", data={"f": "# see example.com\na = 1\n"})))
    assert verdict("values", facts).state == "pass"


@pytest.mark.parametrize(
    "text",
    [
        *("changeme", "change-this", "CHANGE_ME", "https://api.example.com/x", "user@example.org", "<your domain>"),
        *("your-registry.com", "your_password", "REPLACE_WITH_KEY", "TODO", "x TODO: y", "postgres.invalid", "dummy"),
    ],
)
def test_placeholders(text: str) -> None:
    assert mark_in(text)


@pytest.mark.parametrize(
    "text",
    [
        *("interchange", "exchangeitem", "api.bytebot.com", "examples.com", "myexample.com", "a < b and c > d"),
        *("<html>\n<body>\n", "TODOS", "bWVTODOx", "mysql", "10.0.0.1", "", "sha256:deadbeef", "replaced"),
    ],
)
def test_no_placeholders(text: str) -> None:
    assert not mark_in(text)


@given(st.text("0123456789abcdef", min_size=32, max_size=64))
def test_random_values_are_no_placeholders(text: str) -> None:
    assert not mark_in(text)


# ---------------------------------------------------------------------- the environment


def of_environment(*objects: Object, wanted: Wanted | None = None, **about: Any) -> Verdict:
    rendered = objects or FACTS.objects
    return verdict(
        "environment",
        replace(FACTS, objects=rendered, wanted=wanted or FACTS.wanted, value_facts=ValueFacts(**about)),
    )


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        ((deployment(), ingress("other.com")), "no Ingress serves the host api.shop.com"),
        ((deployment(), ingress(HOST, "other.com")), "serves the host other.com, which is none of this environment"),
        ((deployment(), ingress(HOST), ingress("")), "serves the host (any)"),
        ((deployment("registry/api:latest"),), "registry/api:latest has a tag that moves"),
        ((deployment("registry/api:main-stable"),), "has a tag that moves"),
        ((deployment("registry:5000/api"),), "has neither tag nor digest"),
        ((deployment(replicas=1), SERVICE), "Deployment api has 1 replica, at least 2 are wanted"),
        ((deployment(replicas=None), SERVICE), "Deployment api has 1 replica,"),
        ((named("ConfigMap", data={"NODE_ENV": "development"}),), "NODE_ENV of ConfigMap shop/x is development"),
        ((named("ConfigMap", data={"DB": "bytebot_staging"}),), "DB of ConfigMap shop/x points to staging"),
        (
            (deployment(env=[{"name": "URL", "value": "https://api-staging.shop.com"}]),),
            "variable URL of Deployment api",
        ),
        (({**deployment(), "metadata": {"name": "a", "namespace": "other"}},), "goes to another namespace than shop"),
    ],
)
def test_releases_of_elsewhere(objects: tuple[Object, ...], words: str) -> None:
    found = of_environment(*objects)
    assert (found.state, words in found.summary) == ("fail", True), found.summary


@pytest.mark.parametrize(
    "objects",
    [
        (deployment("registry/api:latest@sha256:0f"),),
        (deployment("registry/api:1.0.0-maintained"),),
        (deployment(replicas=1),),  # nobody is served by it
        (deployment(replicas=None), SERVICE, SCALER),
        (deployment(env=[{"name": "DIR", "value": "/dev/shm"}, {"name": "Q", "value": "SELECT 1 -- test it"}]),),
        (deployment(env=[{"name": "K", "valueFrom": {"secretKeyRef": {}}}]),),
        (named("ConfigMap", data={"NODE_ENV": "production"}), deployment()),
    ],
)
def test_releases_of_this_environment(objects: tuple[Object, ...]) -> None:
    assert of_environment(*objects).state == "pass"


def test_values_that_point_elsewhere_are_named() -> None:
    found = of_environment(merged={"database": {"host": "db.qa.shop.com"}, "global": {"environment": "staging"}})
    assert "database.host points to qa (db.qa.shop.com)" in found.summary
    assert "global.environment is staging, not production" in found.summary


def test_the_environment_s_own_name_and_domain_are_none_of_elsewhere() -> None:
    wanted = Wanted(environment="staging", hosts=("api.shop.test",))
    objects = (deployment(), ingress("api.shop.test"))
    about = {"merged": {"a": "db_staging", "b": "https://app.shop.test", "environment": "staging"}}
    assert of_environment(*objects, wanted=wanted, **about).state == "pass"


def test_what_must_differ_from_another_environment() -> None:
    wanted = replace(FACTS.wanted, others={"staging": {"global": {"domain": HOST}}})
    assert (
        "global.domain is the same as in staging"
        in of_environment(wanted=wanted, merged={"global": {"domain": HOST}}).summary
    )
    assert of_environment(wanted=wanted, merged={"global": {"domain": "other"}}).state == "pass"


def test_fewer_replicas_than_the_document_are_told_as_weaker() -> None:
    found = of_environment(deployment(replicas=1), SERVICE, wanted=Wanted(minimum_replicas=1))
    assert found.state == "pass"
    assert found.weaker


def test_of_what_cannot_be_there_twice_one_is_enough_and_is_told() -> None:
    found = of_environment(deployment(replicas=1), SERVICE)
    assert (found.state, "at least 2 are wanted" in found.summary) == ("fail", True)
    name = deployment()["metadata"]["name"]
    found = of_environment(deployment(replicas=1), SERVICE, wanted=Wanted(single_replica=(name,)))
    assert (found.state, found.weaker) == ("pass", ())
    assert found.evidence[0].observed["single_replica"] == [name]
    found = of_environment(deployment(replicas=0), SERVICE, wanted=Wanted(single_replica=(name,)))
    assert "at least 1 is wanted" in found.summary


def test_nothing_rendered_is_not_known() -> None:
    assert verdict("environment", replace(FACTS, render_error="broken", objects=())).state == "inconclusive"
