# Tests that argument specs say what the documentation says: shared fragments and whole modules.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
import yaml

from ansible_collections.bytebot.production.plugins.doc_fragments import chart, cluster, probe, results, web
from ansible_collections.bytebot.production.plugins.module_utils import argspec, argspec_http
from ansible_collections.bytebot.production.plugins.module_utils.checks import health, ingress
from ansible_collections.bytebot.production.plugins.module_utils.clients.access import Connection
from ansible_collections.bytebot.production.plugins.modules import health_probe, ingress_check

FRAGMENTS = {"chart": chart, "cluster": cluster, "probe": probe, "web": web, "results": results}
WORDS = ("type", "elements", "required", "default", "choices")


def documented(module: ModuleType) -> dict[str, Any]:
    """All options of a module, with those of its fragments."""
    page = yaml.safe_load(module.DOCUMENTATION)
    options: dict[str, Any] = {}
    for name in page.get("extends_documentation_fragment", []):
        fragment = name.removeprefix("bytebot.production.")
        if fragment in FRAGMENTS:
            options |= fragment_options(FRAGMENTS[fragment])
    return options | page["options"]


def fragment_options(module: ModuleType) -> dict[str, Any]:
    options: dict[str, Any] = yaml.safe_load(module.ModuleDocFragment.DOCUMENTATION)["options"]
    return options


def same(spec: dict[str, Any], options: dict[str, Any], where: str = "") -> None:
    assert set(spec) == set(options), where
    for name, given in spec.items():
        told = options[name]
        assert told.get("description"), name
        assert {word: given.get(word) for word in WORDS} == {word: told.get(word) for word in WORDS}, name
        if "options" in given:
            same(given["options"], told["suboptions"], name)


@pytest.mark.parametrize(
    ("spec", "fragment"),
    [
        (argspec.CHART_ARGS, chart),
        (argspec.CLUSTER_ARGS, cluster),
        (argspec_http.HTTP_ARGS, web),
        (argspec.ONLY_ARGS, results),
    ],
)
def test_fragments(spec: dict[str, Any], fragment: ModuleType) -> None:
    same(spec, fragment_options(fragment))


@pytest.mark.parametrize("module", [health_probe, ingress_check])
def test_modules(module: ModuleType) -> None:
    same(module.ARGUMENTS, documented(module))


@pytest.mark.parametrize(("module", "checks"), [(health_probe, health.CHECKS), (ingress_check, ingress.CHECKS)])
def test_every_control_is_documented(module: ModuleType, checks: Any) -> None:
    for control in checks.controls:
        assert f"V({control})" in module.DOCUMENTATION


def test_the_token_is_not_logged() -> None:
    assert argspec.CLUSTER_ARGS["api_key"]["no_log"] is True


_TOKEN = {"K8S_AUTH_HOST": "https://api", "K8S_AUTH_API_KEY": "t", "K8S_AUTH_SSL_CA_CERT": "/ca"}
_FILE = {"K8S_AUTH_KUBECONFIG": "/a", "KUBECONFIG": "/b", "K8S_AUTH_CONTEXT": "c"}


@pytest.mark.parametrize(
    ("given", "environment", "wanted"),
    [
        ({"kubeconfig": "/k", "context": None, "host": "", "api_key": None}, {}, Connection("/k")),
        ({"kubeconfig": "/k"}, _TOKEN | _FILE, Connection("/k")),
        ({"host": "https://h", "api_key": "own"}, _TOKEN | _FILE, Connection(host="https://h", api_key="own")),
        ({}, _TOKEN | _FILE, Connection(host="https://api", api_key="t", ca_cert="/ca")),
        ({"context": "own"}, _TOKEN | _FILE, Connection("/a", "own")),
        ({}, _FILE, Connection("/a", "c")),
        ({}, {"KUBECONFIG": "/b"}, Connection("/b")),
        ({}, {}, Connection()),
    ],
)
def test_connection_of(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], environment: dict[str, str], wanted: Connection
) -> None:
    for name in {**_TOKEN, **_FILE}:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert argspec.connection_of(given) == wanted


def test_http_of() -> None:
    given = {"base_url": "https://a.test/", "allowed_hosts": ["a.test"], "timeout": 1.0, "resolve": {"a.test": "::1"}}
    assert argspec_http.http_of(given).url_of("/x") == "https://a.test/x"
