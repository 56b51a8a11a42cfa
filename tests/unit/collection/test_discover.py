# What is found in a cluster and written as an inventory: everything with its place, and never the value of a Secret.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from base64 import b64encode
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from ansible_collections.bytebot.production.plugins.module_utils import yaml_text
from ansible_collections.bytebot.production.plugins.module_utils.discovery import files
from ansible_collections.bytebot.production.plugins.module_utils.discovery.release import export
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError, NotThere, Refused
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.modules import discover as module
from tests.unit.collection.fakes import FakeCluster, _Status
from tests.unit.collection.helm_fakes import stored_text

Object = dict[str, Any]
CANARY = "Canary-0x7f3a-never-shown"
MORE = {
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): ("httproutes", True),
    ("gateway.networking.k8s.io/v1", "Gateway"): ("gateways", True),
    ("route.openshift.io/v1", "Route"): ("routes", True),
}


class Cluster(FakeCluster):
    """The fake, with optional kinds and with lists that are forbidden."""

    def __init__(self, *objects: Object, forbidden: tuple[str, ...] = (), served: bool = False) -> None:
        self.forbidden, self.served = forbidden, served
        super().__init__(namespaces=("shop",))
        self._kinds |= MORE if served else {}
        for one in objects:
            self.put(one)

    def put(self, obj: Object, manager: str = "somebody") -> None:
        super().put(obj, manager)
        if "status" in obj:
            self._stored[self._path_of(obj)]["status"] = obj["status"]

    def _get(self, path: str, body: Any, query: Any, type_: str) -> Object:
        if path == "/apis":
            groups = {api.partition("/")[0] for api, _kind in MORE} if self.served else set()
            return {"groups": [{"name": name} for name in sorted(groups)]}
        if path in self.forbidden:
            raise _Status(403, f'User "verifier" cannot list {path}')
        if "/namespaces/" not in path and path.rsplit("/", 1)[-1] in ("services", "gateways"):
            kind = path.rsplit("/", 1)[-1]
            return {"items": [one for key, one in self._stored.items() if f"/{kind}/" in key]}
        return super()._get(path, body, query, type_)


def obj(api: str, kind: str, name: str, namespace: str = "shop", **more: Any) -> Object:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **more.pop("metadata", {})}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **more}


def secret(name: str, type_: str = "Opaque", **data: str) -> Object:
    encoded = {key.replace("__", "."): b64encode(value.encode()).decode() for key, value in data.items()}
    return obj("v1", "Secret", name, type=type_, data=encoded)


def b64(text: str) -> str:
    return b64encode(text.encode()).decode()


def record(revision: int = 1, status: str = "deployed", **chart: Any) -> Object:
    raw = {
        "name": "shop",
        "namespace": "shop",
        "version": revision,
        "info": {"status": status, "description": "Install complete"},
        "config": {"domain": "shop.test", "admin": {"password": CANARY}},
        "manifest": "",
        "chart": {
            "metadata": {"apiVersion": "v2", "name": "shop", "version": "2.1.0", "appVersion": "7"},
            "values": {"replicas": 2, "tag": "1e3", "sharedSecret": "shop-secrets"},
            "templates": [{"name": "templates/a.yaml", "data": b64("kind: ConfigMap\npassword: {{ .Values.x }}\n")}],
            "files": [{"name": "crds/one.yaml", "data": b64("kind: CustomResourceDefinition\n")}],
            **chart,
        },
    }
    labels = {"owner": "helm", "name": "shop", "status": status, "version": str(revision)}
    data = {"release": stored_text(raw)}
    return obj("v1", "Secret", f"sh.helm.release.v1.shop.v{revision}", metadata={"labels": labels}, data=data)


def ingress(**more: Any) -> Object:
    backend = {"service": {"name": "shop-api", "port": {"number": 80}}}
    rules = [
        {"host": host, "http": {"paths": [{"path": "/", "backend": backend}]}} for host in ("shop.test", "*.any.test")
    ]
    spec = {"ingressClassName": "nginx", "rules": rules, "tls": [{"hosts": ["shop.test"], "secretName": "tls"}]}
    status = {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}
    return obj("networking.k8s.io/v1", "Ingress", "shop", spec=spec, status=status, **more)


def deployment(*env: Object) -> Object:
    pod = {
        "spec": {"containers": [{"name": "app", "env": list(env), "envFrom": [{"configMapRef": {"name": "config"}}]}]}
    }
    return obj("apps/v1", "Deployment", "shop-api", spec={"replicas": 3, "template": pod}, status={"readyReplicas": 2})


def shop() -> tuple[Object, ...]:
    hpa = {"scaleTargetRef": {"kind": "Deployment", "name": "shop-api"}, "minReplicas": 2, "maxReplicas": 9}
    default = {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}
    return (
        record(),
        secret("pg", username="app", password=CANARY, host="pg.data.svc", port="5433", database="shop"),
        secret("cache", REDIS_URL=f"rediss://app:{CANARY}@redis.data.svc:6380/2"),
        secret("jwt", access_private_key=CANARY, access_public_key="-----BEGIN PUBLIC KEY-----"),
        secret("odd", host=CANARY, password=CANARY),
        obj("v1", "ConfigMap", "config", data={"DATABASE_HOST": "pooler.data.svc", "DATABASE_PORT": "6432"}),
        deployment({"name": "REDIS_URL", "valueFrom": {"secretKeyRef": {"name": "cache", "key": "REDIS_URL"}}}),
        ingress(),
        obj("autoscaling/v2", "HorizontalPodAutoscaler", "shop-api", spec=hpa),
        obj("storage.k8s.io/v1", "StorageClass", "fast", "", metadata=default),
        obj("v1", "Service", "prometheus-server", "shop", spec={"ports": [{"port": 80}]}),
    )


def run(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, path: Path | None = None, **options: Any) -> dict[str, Any]:
    """One run of the module over a cluster, as its frame lets the result leave."""
    monkeypatch.setattr(module, "Cluster", lambda *_: cluster)
    monkeypatch.setattr(module, "_resolves", lambda name: name == "known.test")
    check, diff = options.pop("check", False), options.pop("diff", False)
    given = {name: spec.get("default") for name, spec in module.ARGUMENTS.items()}
    given |= {"namespace": "shop", "kubeconfig": "/etc/kubeconfig", "path": str(path) if path else None, **options}
    task = SimpleNamespace(
        params=given, tmpdir="/tmp", check_mode=check, _diff=diff, argument_spec=module.ARGUMENTS, no_log_values=set()
    )
    redactor = Redactor()
    answer: dict[str, Any] = redactor.data(module.discover(task, redactor))
    return answer


def written(folder: Path) -> dict[str, str]:
    return {str(one.relative_to(folder)): one.read_text() for one in folder.rglob("*") if one.is_file()}


def inventory(folder: Path) -> dict[str, Any]:
    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))
    found: dict[str, Any] = yaml.load((folder / "inventory/group_vars/all/discovered.yml").read_text(), Loader)
    return found


def test_every_part_is_found_and_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = run(Cluster(*shop()), monkeypatch, tmp_path / "shop")
    found = inventory(tmp_path / "shop")
    assert found["bytebot_release"] == "shop"
    assert found["bytebot_base_url"] == "https://shop.test"
    assert found["bytebot_hosts"] == found["bytebot_allowed_hosts"] == ["shop.test"]
    assert found["bytebot_ingress_class"] == "nginx"
    assert found["bytebot_resolve"] == {"shop.test": "192.0.2.7"}
    assert found["bytebot_database"] == {"secret": "pg"}
    assert found["bytebot_redis"] == {"secret": "cache", "url_key": "REDIS_URL"}
    keys = [{"private_key": "access_private_key", "public_key": "access_public_key"}]
    assert found["bytebot_jwt"] == {"secret": "jwt", "pairs": keys}
    assert found["bytebot_other_secrets"] == ["cache", "jwt", "odd", "pg"]
    returned = {one["input"]: one["is"] for one in answer["found"] if "inventory_dir" not in str(one["is"])}
    assert {name: found[name] for name in returned} == returned
    assert all(one["where"] for one in answer["found"])
    notes = " | ".join(answer["notes"])
    for told in (
        "PostgreSQL is at pg.data.svc:5433, database shop [Secret pg, keys host, port, database]",
        "PostgreSQL is at pooler.data.svc:6432 [DATABASE_HOST, ConfigMap config, which Deployment shop-api takes]",
        "Redis is at redis.data.svc:6380, database 2 [Secret cache, keys REDIS_URL]",
        "Deployment shop-api: 3 replicas wanted, 2 ready, scaled 2 to 9 by shop-api",
        "prometheus is at http://prometheus-server.shop.svc:80 [Service shop/prometheus-server]",
        "Storage class fast",
        "chart shop 2.1.0, application 7",
    ):
        assert told in notes
    assert {"bytebot_organization", "bytebot_ca_file", "bytebot_probe_image", "bytebot_login"} <= set(answer["blanks"])


def test_each_line_stands_below_where_it_was_found_or_its_blank(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(Cluster(*shop()), monkeypatch, tmp_path / "shop")
    lines = (tmp_path / "shop/inventory/group_vars/all/discovered.yml").read_text().splitlines()
    for at, line in enumerate(lines):
        if line.startswith("bytebot_"):
            above = next(text for text in reversed(lines[:at]) if not text.startswith("#   "))
            name = line.partition(":")[0]
            assert above.startswith(("# Found: ", f"# BLANK: {name}: ")), line


def test_no_value_of_a_secret_is_written_or_returned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = run(Cluster(*shop()), monkeypatch, tmp_path / "shop", diff=True)
    for text in (json.dumps(answer), *written(tmp_path / "shop").values()):
        assert CANARY not in text
        assert b64(CANARY).rstrip("=") not in text
        assert "app:" not in text
    assert yaml.safe_load(written(tmp_path / "shop")["values.yaml"]) == {"domain": "shop.test", "admin": {}}
    assert "admin.password" in (tmp_path / "shop/inventory/group_vars/all/discovered.yml").read_text()


def test_a_chart_that_holds_a_secret_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = record(templates=[{"name": "templates/a.yaml", "data": b64(f"x: {b64(CANARY)}")}])
    answer = run(Cluster(*shop()[1:], told), monkeypatch, tmp_path / "shop")
    assert "bytebot_chart" in answer["blanks"]
    assert not [path for path in written(tmp_path / "shop") if path.startswith("chart")]


def test_each_kind_is_listed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(*shop(), served=True)
    run(cluster, monkeypatch)
    assert set(Counter(path for _method, path, _body in cluster.sent).values()) == {1}
    assert {method for method, _path, _body in cluster.sent} == {"GET"}


def test_the_chart_is_what_helm_keeps_and_helm_reads_it_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(Cluster(*shop()), monkeypatch, tmp_path / "shop")
    texts = written(tmp_path / "shop")
    assert texts["chart/templates/a.yaml"] == "kind: ConfigMap\npassword: {{ .Values.x }}\n"
    assert texts["chart/crds/one.yaml"] == "kind: CustomResourceDefinition\n"
    wanted = {"replicas": 2, "tag": "1e3", "sharedSecret": "shop-secrets"}
    assert yaml_text.load(texts["chart/values.yaml"], "values") == wanted


@pytest.mark.parametrize(
    ("chart", "problem"),
    [
        ({"metadata": {"dependencies": [{"name": "postgresql"}]}}, "subcharts"),
        ({"templates": [{"name": "../../x", "data": ""}]}, "out of its folder"),
        ({"files": [{"name": "/etc/x", "data": ""}]}, "out of its folder"),
    ],
)
def test_a_chart_that_cannot_be_written_says_why(chart: Object, problem: str) -> None:
    made = export({"chart": chart}, lambda _text: False)
    assert problem in made.problem
    assert not made.files


def test_the_newest_deployed_revision_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = record(3, "failed", metadata={"apiVersion": "v2", "name": "shop", "version": "9.9.9"})
    run(Cluster(record(1, "superseded"), record(2), failed), monkeypatch, tmp_path / "shop")
    assert "version: 2.1.0" in written(tmp_path / "shop")["chart/Chart.yaml"]


def test_several_releases_must_be_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    other = record()
    other["metadata"] = {
        "name": "sh.helm.release.v1.blog.v1",
        "namespace": "shop",
        "labels": {"owner": "helm", "name": "blog", "status": "deployed", "version": "1"},
    }
    with pytest.raises(InputError, match="several Helm releases: blog, shop"):
        run(Cluster(*shop(), other), monkeypatch)
    with pytest.raises(InputError, match=r"no Helm release wiki\. There are: blog, shop"):
        run(Cluster(*shop(), other), monkeypatch, release="wiki")
    names = {one["input"]: one["is"] for one in run(Cluster(*shop(), other), monkeypatch, release="shop")["found"]}
    assert names["bytebot_release"] == "shop"


def test_an_account_that_sees_little_says_what_it_does_not_see(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = "/api/v1/namespaces/shop"
    labels = {"labels": {"app.kubernetes.io/managed-by": "Helm"}, "annotations": {"meta.helm.sh/release-name": "shop"}}
    seen = [one for one in shop() if one["kind"] != "Deployment"]
    one = deployment()
    one["metadata"] |= labels
    forbidden = (f"{base}/secrets", "/api/v1/services", "/apis/storage.k8s.io/v1/storageclasses", base)
    answer = run(Cluster(*seen, one, forbidden=forbidden), monkeypatch, tmp_path / "shop")
    text = (tmp_path / "shop/inventory/group_vars/all/discovered.yml").read_text()
    for kind in ("Secret", "Service of other namespaces", "StorageClass"):
        assert any(told.startswith(f"{kind}: Not permitted") for told in answer["not_seen"])
        assert f"# {kind}: Not permitted" in text
    found = {one["input"]: one["is"] for one in answer["found"]}
    assert found["bytebot_release"] == "shop"
    assert found["bytebot_hosts"] == ["shop.test"]
    assert {"bytebot_chart", "bytebot_other_secrets", "bytebot_database"} <= set(answer["blanks"])


def test_a_namespace_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotThere, match="There is no namespace nowhere"):
        run(Cluster(), monkeypatch, namespace="nowhere")


def test_routes_and_gateways_are_hosts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    route = obj(
        "route.openshift.io/v1", "Route", "web", spec={"host": "web.test", "to": {"name": "shop-web"}, "tls": {}}
    )
    gateway = obj(
        "gateway.networking.k8s.io/v1", "Gateway", "edge", "edge", spec={"listeners": [{"protocol": "HTTPS"}]},
        status={"addresses": [{"type": "IPAddress", "value": "192.0.2.9"}]},
    )  # fmt: skip
    rules = {"rules": [{"backendRefs": [{"name": "shop-api"}]}], "parentRefs": [{"name": "edge", "namespace": "edge"}]}
    http = obj("gateway.networking.k8s.io/v1", "HTTPRoute", "api", spec={"hostnames": ["known.test"], **rules})
    answer = run(Cluster(route, gateway, http, served=True), monkeypatch)
    found = {one["input"]: one["is"] for one in answer["found"]}
    assert found["bytebot_hosts"] == ["web.test", "known.test"]
    assert found["bytebot_base_url"] == "https://known.test"
    assert "known.test is at 192.0.2.9 [status of Gateway edge/edge]" in answer["notes"]
    assert "bytebot_resolve" not in found


def test_what_a_cluster_says_is_data_and_neither_line_nor_template(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = "x.test\nbytebot_hosts: [evil.test]"
    odd = ingress(metadata={"annotations": {}})
    odd["spec"]["ingressClassName"] = "{{ lookup('pipe', 'id') }}"
    odd["spec"]["rules"][0]["host"] = trap
    run(Cluster(odd), monkeypatch, tmp_path / "shop")
    assert inventory(tmp_path / "shop")["bytebot_hosts"] == [trap]
    assert "bytebot_ingress_class: !unsafe " in (tmp_path / "shop/inventory/group_vars/all/discovered.yml").read_text()


# ---------------------------------------------------------------------- writing


def test_a_second_run_changes_nothing_and_check_mode_tells_the_truth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "shop"
    would = run(Cluster(*shop()), monkeypatch, folder, check=True, diff=True)
    assert would["changed"]
    assert not folder.exists()
    did = run(Cluster(*shop()), monkeypatch, folder, diff=True)
    assert (did["changed"], did["files"], did["diff"]) == (True, would["files"], would["diff"])
    before = written(folder)
    again = run(Cluster(*shop()), monkeypatch, folder, diff=True)
    assert (again["changed"], "diff" in again) == (False, False)
    assert written(folder) == before
    assert {oct(one.stat().st_mode & 0o777) for one in folder.rglob("*") if one.is_file()} == {"0o600"}


def test_a_changed_file_is_never_replaced_and_answers_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "shop"
    run(Cluster(*shop()), monkeypatch, folder)
    own = folder / "inventory/group_vars/all/own.yml"
    own.write_text("bytebot_organization: Shop\n")
    found = own.with_name("discovered.yml")
    found.write_text(found.read_text() + "# mine\n")
    before = written(folder)
    with pytest.raises(Refused, match=r"group_vars/all/discovered\.yml"):
        run(Cluster(*shop()[1:]), monkeypatch, folder)
    assert written(folder) == before
    found.unlink()
    run(Cluster(*shop()[1:]), monkeypatch, folder)
    after = written(folder)
    assert after["inventory/group_vars/all/own.yml"] == "bytebot_organization: Shop\n"
    assert not [path for path in after if path.startswith("chart/")]


def test_somebody_elses_folder_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "values.yaml").write_text("mine: true\n")
    with pytest.raises(Refused, match=r"values\.yaml"):
        run(Cluster(*shop()), monkeypatch, tmp_path)
    assert written(tmp_path) == {"values.yaml": "mine: true\n"}


def test_what_was_broken_off_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.carry_out(files.plan(tmp_path, {"a": b"1", "b": b"1"}))
    real, left = files._replace, iter((True, True, False))

    def break_off(path: Path, content: bytes) -> None:
        if not next(left, False):
            raise OSError(28, "No space left on device")
        real(path, content)

    monkeypatch.setattr(files, "_replace", break_off)
    with pytest.raises(InputError, match="No space left"):
        files.carry_out(files.plan(tmp_path, {"a": b"2", "b": b"2"}))
    monkeypatch.setattr(files, "_replace", real)
    files.carry_out(files.plan(tmp_path, {"a": b"3", "b": b"3"}))
    assert (written(tmp_path)["a"], written(tmp_path)["b"]) == ("3", "3")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"bytebot_api_token": "x"}, "bytebot_api_token is never written"),
        ({"bytebot_values": {"admin": {"password": CANARY}}}, "a value of bytebot_values stands in clear"),
        ({"organization": "Shop"}, "organization is no inventory variable"),
    ],
)
def test_what_is_given_may_hold_no_secret(given: Object, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=told) as refused:
        run(Cluster(*shop()), monkeypatch, given=given)
    assert CANARY not in str(refused.value)


def test_what_is_given_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"bytebot_hosts": ["other.test"], "bytebot_ca_file": "/ca.crt", "bytebot_reports_dir": "/reports"}
    answer = run(Cluster(*shop()), monkeypatch, tmp_path, given=given)
    found = inventory(tmp_path)
    assert {name: found[name] for name in given} == given
    assert "bytebot_ca_file" not in answer["blanks"]
