# Installing, upgrading, removing, and leaving alone what needs nothing; no secret leaves in a result.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
from base64 import b64encode

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError, Refused, Unreachable
from ansible_collections.bytebot.production.plugins.module_utils.helm.cli import Completed
from ansible_collections.bytebot.production.plugins.module_utils.helm.remove import Remover
from ansible_collections.bytebot.production.plugins.module_utils.helm.values import Values
from ansible_collections.bytebot.production.plugins.module_utils.helm.wanted import checked_labels
from ansible_collections.bytebot.production.plugins.module_utils.rollout import Patience
from tests.unit.collection.deployer_shop import Shop, chart_api, live_api, piece
from tests.unit.collection.helm_fakes import SHOP, Object, prints, rendered, stored

# ---------------------------------------------------------------------- install, upgrade, nothing


def test_an_install() -> None:
    shop = Shop()
    out = shop.present()
    assert (out["changed"], out["reasons"]) == (True, ["the release is not there"])
    assert out["changes"]["created"] == ["Deployment shop/api"]
    assert shop.helm.verbs() == ["render", "version", "upgrade"]
    assert (out["helm_processes"], out["release"]["revision"], out["release"]["status"]) == (3, 1, "deployed")
    assert out["release"]["images"] == ["registry/api:1"]
    assert set(out["seconds"]) == {"read", "render", "compare", "apply", "wait"}


def test_a_second_run_changes_nothing() -> None:
    shop = Shop(live_api(), known=[rendered(chart_api())])
    out = shop.present()
    assert (out["changed"], out["reasons"]) == (False, [])
    assert shop.helm.verbs() == ["render"]
    assert out["release"]["revision"] == 1


def test_an_upgrade_names_what_differs() -> None:
    shop = Shop(live_api(), known=[rendered(chart_api())])
    shop.render(chart_api("registry/api:2"), revision=2)
    shop.after = [live_api("registry/api:2")]
    out = shop.present()
    assert out["changes"] == {"created": [], "changed": ["Deployment shop/api"], "deleted": []}
    assert "image: registry/api:1" in out["diff"]["before"]
    assert "image: registry/api:2" in out["diff"]["after"]
    assert out["release"]["revision"] == 2


def test_drift_is_put_right_and_helm_4_is_told_to_take_the_fields() -> None:
    for version, forced in (("v3.16.0", False), ("v4.0.0", True)):
        known = rendered(chart_api(), apply_method="ssa" if forced else "")
        shop = Shop(live_api("registry/api:by-hand"), known=[known], version=version)
        out = shop.present()
        assert out["reasons"] == ["the cluster has drifted: Deployment shop/api"]
        assert ("--force-conflicts" in shop.helm.calls[-1]) == forced


@pytest.mark.parametrize(("method", "forced"), [("ssa", True), ("csa", False)])
def test_the_chart_holds_where_somebody_else_owns_a_field(method: str, forced: bool) -> None:
    """A field that was edited and put back is still its editor's; where helm applies as Helm 3 does, nobody asks."""
    shop = Shop(live_api(), known=[rendered(chart_api(), apply_method=method)], version="v4.0.0")
    shop.render(chart_api("registry/api:2"), revision=2)
    shop.after = [live_api("registry/api:2")]
    assert shop.present()["reasons"] == ["manifests differ"]
    assert ("--force-conflicts" in shop.helm.calls[-1]) == forced


@pytest.mark.parametrize(("hooks", "validated"), [((), False), ((piece("ConfigMap", "hook"),), True)])
def test_helm_validates_what_the_dry_run_does_not_ask_about(hooks: tuple[Object, ...], validated: bool) -> None:
    shop = Shop()
    shop.render(chart_api(), hooks=hooks)
    shop.present()
    assert ("--disable-openapi-validation" not in shop.helm.calls[-1]) == validated
    assert "--disable-openapi-validation" in shop.helm.calls[0]


def test_arguments_of_an_upgrade() -> None:
    shop = Shop()
    shop.present(
        values=Values(("a.yaml",), {"password": "hunter22"}), create_namespace=True, history_max=3, description="why"
    )
    upgrade = shop.helm.calls[-1]
    assert upgrade[1:5] == ["upgrade", "bytebot", "./chart", "--install"]
    for pair in (
        ["--history-max", "3"],
        ["--timeout", "60s"],
        ["--description", "why"],
        ["--values", "a.yaml"],
        ["--values", "-"],
    ):
        assert any(upgrade[at : at + 2] == pair for at in range(len(upgrade))), pair
    assert {"--reset-values", "--create-namespace", "--wait"} <= set(upgrade)
    assert shop.helm.stdins[-1] == '{"password": "hunter22"}'
    assert not [part for call in shop.helm.calls for part in call if "hunter22" in part]


def test_without_waiting_nothing_is_watched() -> None:
    shop = Shop()
    shop.after = [live_api(ready=0)]
    assert shop.present(wait=False)["changed"]
    assert "--wait" not in shop.helm.calls[-1]
    assert shop.helm.reasons_to_stop == [""]


# ---------------------------------------------------------------------- check mode


def test_check_mode_changes_nothing_and_says_what_would_be() -> None:
    shop = Shop(live_api(), known=[rendered(chart_api())])
    shop.render(chart_api("registry/api:2"), revision=2)
    out = shop.present(check_mode=True)
    assert (out["changed"], out["release"]["revision"]) == (True, 2)
    assert shop.helm.verbs() == ["render"]


@pytest.mark.parametrize("known", [[], [rendered(chart_api())]])
def test_check_mode_is_refused_where_admission_would_refuse(known: list[Object]) -> None:
    shop = Shop(live_api(), known=known)
    shop.cluster.refuses["Deployment"] = Refused("violates the policy.")
    with pytest.raises(Refused, match=r"would refuse the release: Deployment shop/api: violates the policy"):
        shop.present(check_mode=True)
    assert shop.helm.verbs() == ["render"]


def test_check_mode_waits_for_no_change_that_it_does_not_make() -> None:
    shop = Shop(live_api(ready=0), known=[rendered(chart_api())], patience=Patience(-1.0))
    shop.render(chart_api("registry/api:2"), revision=2)
    assert shop.present(check_mode=True)["changed"]


# ---------------------------------------------------------------------- removal


def test_removal() -> None:
    shop = Shop(live_api(), known=[rendered(chart_api())])
    out = Remover(shop.work).absent("bytebot", SHOP)
    assert (out["changed"], out["release"]) == (True, None)
    assert out["changes"]["deleted"] == ["Deployment shop/api"]
    assert shop.helm.calls == [
        [
            "/bin/helm",
            "uninstall",
            "bytebot",
            "--wait",
            "--timeout",
            "60s",
            "--namespace",
            SHOP,
            "--kube-context",
            "here",
        ]
    ]


def test_removal_in_check_mode_removes_nothing() -> None:
    shop = Shop(live_api(), known=[rendered(chart_api())])
    assert Remover(shop.work).absent("bytebot", SHOP, check_mode=True)["changed"]
    assert shop.helm.calls == []


def test_removal_of_what_is_not_there() -> None:
    assert Remover(Shop().work).absent("bytebot", SHOP) == {"changed": False, "release": None, "kept": []}


# ---------------------------------------------------------------------- labels, ownership, CRDs, processes


def test_labels_reach_the_record_and_a_second_run_changes_nothing() -> None:
    shop = Shop(live_api(), known=[rendered(chart_api())])
    out = shop.present(labels={"team": "a"})
    assert out["reasons"] == ["labels differ"]
    call = shop.helm.calls[-1]
    assert call[call.index("--labels") + 1] == "team=a"
    again = Shop(live_api())
    again.cluster.objects.append(stored(rendered(chart_api()), team="a", other="b"))
    assert not again.present(labels={"team": "a"})["changed"]


@pytest.mark.parametrize(
    ("labels", "sentence"), [({"owner": "me"}, "owner is helm's own"), ({"a": "1,b=2"}, "a holds a comma")]
)
def test_labels_that_helm_would_not_take(labels: dict[str, str], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        checked_labels(labels)


def test_ownership_is_taken_in_the_rendering_too_and_needs_a_helm_that_can() -> None:
    shop = Shop(version="v3.17.0")
    shop.present(take_ownership=True, skip_crds=True)
    for call in [call for call, verb in zip(shop.helm.calls, shop.helm.verbs(), strict=True) if verb != "version"]:
        assert {"--take-ownership", "--skip-crds"} <= set(call)
    with pytest.raises(InputError, match=r"3\.17"):
        Shop(version="v3.16.9").present(take_ownership=True)


def with_crd(text: str) -> Object:
    files = [{"name": "crds/a.yaml", "data": text}, {"name": "README.md", "data": ""}]
    return {"metadata": {"name": "bytebot", "version": "1.0.0", "appVersion": "1.0.0"}, "files": files}


@pytest.mark.parametrize(
    ("before", "skip", "words"),
    [
        ("", False, r"CRDs \(crds/a.yaml\) are made where they are missing"),
        ("old", False, r"differ from those of revision 1, and helm upgrades no CRD"),
        ("new", False, ""),
        ("old", True, r"are skipped \(crd_policy\)"),
    ],
)
def test_what_helm_leaves_of_crds_is_told(before: str, skip: bool, words: str) -> None:
    known = [rendered(chart_api(), chart=with_crd(before))] if before else []
    shop = Shop(live_api(), known=known)
    shop.render(chart_api(), revision=2, chart=with_crd("new"))
    remarks = shop.present(check_mode=True, skip_crds=skip)["remarks"]
    assert bool(remarks) == bool(words)
    assert re.search(words, "".join(remarks))


def test_no_process_is_started_beyond_those_that_are_needed() -> None:
    """A no-op one (a server-side dry run), an upgrade two; an install asks an old helm for its version before it."""
    unchanged = Shop(live_api(), known=[rendered(chart_api())])
    assert unchanged.present()["helm_processes"] == len(unchanged.helm.calls) == 1
    upgraded = Shop(live_api(), known=[rendered(chart_api())])
    upgraded.render(chart_api("registry/api:2"), revision=2)
    upgraded.after = [live_api("registry/api:2")]
    assert upgraded.present()["helm_processes"] == len(upgraded.helm.calls) == 2
    for method, processes in (("", 3), ("ssa", 2)):
        installed = Shop(version="v4.0.0" if method else "v3.16.0")
        installed.render(chart_api(), apply_method=method)
        assert installed.present()["helm_processes"] == len(installed.helm.calls) == processes
        assert ("--force-conflicts" in installed.helm.calls[-1]) == bool(method)


# ---------------------------------------------------------------------- secrets


def test_secrets_of_objects_hooks_and_values_leave_in_no_result() -> None:
    canaries = {"object": "canary-of-an-object", "hook": "canary-of-a-hook", "value": "canary-of-a-value"}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s"},
        "data": {"k": b64encode(canaries["object"].encode()).decode()},
    }
    hook = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "h", "annotations": {"helm.sh/hook": "pre-install"}},
        "stringData": {"k": canaries["hook"]},
    }
    shop = Shop()
    shop.render(secret, chart_api(), hooks=[hook])
    shop.rendered["info"]["notes"] = f"Log in with {', '.join(canaries.values())}."
    shop.helm.on["render"] = prints(shop.rendered)
    out = shop.present(values=Values(inline={"db": {"password": canaries["value"]}}))
    shown = json.dumps(shop.redactor.data(out))
    assert "Log in with" in shown
    for canary in canaries.values():
        assert canary not in shown
        assert b64encode(canary.encode()).decode() not in shown


def test_an_unreachable_cluster_is_told_as_such() -> None:
    shop = Shop()
    shop.helm.on["render"] = Completed(1, "", "Error: Kubernetes cluster unreachable: dial tcp: connection refused\n")
    with pytest.raises(Unreachable):
        shop.present()
