# The configuration files that the components' templates make.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from sandbox.build.images import ImageStore
from sandbox.catalog import discover
from sandbox.cluster import Cluster
from sandbox.component import Component, Context, Process, Workload
from sandbox.components.deployer import ROLES
from sandbox.components.redis import access_list
from sandbox.files import put, render
from sandbox.kubeconfig import render_kubeconfig
from sandbox.pki import Pki
from sandbox.progress import Progress
from sandbox.settings import Settings
from sandbox.supervisor import Supervisor

# What a template of ours would leave. CoreDNS, Prometheus and Grafana have `{{ .Name }}`, `{{ $value }}`, `{{pod}}`.
OURS = r"\{\{(?! ?(?:\.Name|\$|[a-z_]+\}\}))"


@pytest.fixture
def ctx(settings: Settings) -> Context:
    pki = Pki(settings.pki)
    made = Context(settings, pki, Cluster(settings, pki), Supervisor(settings), ImageStore(settings), Progress())
    for component in discover().values():
        for name, parent in component.authorities:
            if parent:
                pki.authority(parent)
            pki.authority(name, parent)
    for component in discover().values():
        for wanted in component.certificates:
            pki.certificate(wanted)
        component.prepare(made)
    return made


def rendered(ctx: Context, component: Component, template: str) -> str:
    return render(component.folder / template, component.template_values(ctx))


def objects(ctx: Context, component: Component) -> list[dict[str, Any]]:
    return [
        document
        for path in sorted(component.folder.glob("*.yaml.j2"))
        for document in yaml.safe_load_all(rendered(ctx, component, path.name))
        if document
    ]


def test_every_template_renders_to_something_that_can_be_read(ctx: Context) -> None:
    seen = 0
    for component in discover().values():
        for path in component.folder.glob("*.j2"):
            text = rendered(ctx, component, path.name)
            # Kubernetes' programs read a file that begins with { as JSON.
            assert text.startswith("# ")
            assert not re.search(OURS, text)
            if ".toml" in path.name:
                tomllib.loads(text)
            elif ".yaml" in path.name:
                assert all(isinstance(d, dict) for d in yaml.safe_load_all(text) if d)
            seen += 1
    assert seen > 12


def test_the_kubelet_has_a_root_and_folders_of_its_own(ctx: Context) -> None:
    config = yaml.safe_load(rendered(ctx, discover()["kubelet"], "kubelet.yaml.j2"))
    assert config["cgroupRoot"] == "/bytebot-sandbox"
    assert config["failCgroupV1"] is False
    assert config["containerRuntimeEndpoint"] == f"unix://{ctx.settings.run}/containerd.sock"
    assert config["authentication"]["anonymous"] == {"enabled": False}
    assert config["clusterDNS"] == [ctx.settings.dns_service]
    assert config["podLogsDir"].startswith(str(ctx.settings.state))


def test_the_kubelets_cadvisor_finds_the_sandboxs_containerd(ctx: Context) -> None:
    kubelet = discover()["kubelet"]
    assert isinstance(kubelet, Process)
    assert f"--containerd={ctx.settings.containerd_socket}" in kubelet.command(ctx.settings)


def test_secrets_are_encrypted_with_a_key_of_32_bytes_that_stays(ctx: Context) -> None:
    first, second = (rendered(ctx, discover()["kube-apiserver"], "encryption.yaml.j2") for _ in range(2))
    provider = yaml.safe_load(first)["resources"][0]["providers"][0]["secretbox"]["keys"][0]
    assert first == second
    assert len(__import__("base64").b64decode(provider["secret"])) == 32


def test_all_workloads_run_without_root_and_cannot_gain_it(ctx: Context) -> None:
    checked = 0
    for component in discover().values():
        for found in objects(ctx, component) if isinstance(component, Workload) else []:
            if found["kind"] not in {"Deployment", "StatefulSet"}:
                continue
            pod = found["spec"]["template"]["spec"]
            assert pod["securityContext"]["runAsNonRoot"] is True
            for container in pod["containers"]:
                assert container["securityContext"]["allowPrivilegeEscalation"] is False
                assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
                assert container["securityContext"]["readOnlyRootFilesystem"] is True
                assert "memory" in container["resources"]["limits"]
            checked += 1
    assert checked >= 6


def test_images_of_the_manifests_are_those_that_are_pushed(ctx: Context) -> None:
    pushed = {f"{ctx.settings.registry_name}/{i.reference}" for c in discover().values() for i in c.images}
    used = {
        container["image"]
        for component in discover().values()
        if isinstance(component, Workload)
        for found in objects(ctx, component)
        if found["kind"] in {"Deployment", "StatefulSet"}
        for container in found["spec"]["template"]["spec"]["containers"]
    }
    assert used
    assert used <= pushed


def test_rollouts_are_objects_of_their_own_manifests(ctx: Context) -> None:
    for component in discover().values():
        if isinstance(component, Workload):
            made = {(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in objects(ctx, component)}
            assert {(r.kind, r.namespace, r.name) for r in component.rollouts} <= made


def test_postgres_admits_only_tls_with_scram(ctx: Context) -> None:
    postgres = discover()["postgres"]
    (config,) = [o for o in objects(ctx, postgres) if o["kind"] == "ConfigMap"]
    rules = [line.split() for line in config["data"]["pg_hba.conf"].splitlines()]
    assert rules == [["local", "all", "all", "peer"], ["hostssl", "all", "all", "all", "scram-sha-256"]]
    assert "ssl = on" in config["data"]["postgresql.conf"]
    assert "NOSUPERUSER NOCREATEDB NOCREATEROLE" in config["data"]["bootstrap.sql"]


def test_passwords_are_only_in_secrets(ctx: Context) -> None:
    words = {(ctx.settings.handover / f"{name}-password").read_text() for name in ("database", "redis")}
    assert len(words) == 2
    for name in ("postgres", "redis"):
        for found in objects(ctx, discover()[name]):
            if found["kind"] != "Secret":
                assert [word for word in words if word in str(found)] == []


def test_redis_users() -> None:
    lines = access_list("bytebot", "secret").splitlines()
    assert lines[0] == "user default off ~* &* +@all", "it replays the append-only file"
    assert lines[1].startswith("user bytebot on #2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b ")
    assert lines[1].endswith("+@all -@admin -@dangerous +info")
    assert "secret" not in "".join(lines)


def test_the_own_zone_answers_with_the_nodes_address(ctx: Context) -> None:
    (config,) = [o for o in objects(ctx, discover()["coredns"]) if o["kind"] == "ConfigMap"]
    assert 'answer "{{ .Name }} 5 IN A 10.250.0.2"' in config["data"]["Corefile"]
    assert "bytebot.test:53 {" in config["data"]["Corefile"]


def test_the_handover_has_the_promised_files_for_nobody_else(ctx: Context) -> None:
    files = {path.name: path.stat().st_mode & 0o777 for path in ctx.settings.handover.iterdir()}
    assert {files.pop("grafana-token"), files.pop("grafana-token-limited")} == {0o600}
    promised = {"database-password", "redis-password", "database-ca.crt", "tls.crt", "tls.key", "ingress-ca.crt"}
    promised |= {"pooler-password", "object-store-access-key", "object-store-secret-key", "object-store-ca.crt"}
    promised |= {"backup.crt", "backup.key"}
    assert files == dict.fromkeys(promised, 0o600)
    assert (ctx.settings.handover / "tls.crt").read_text().count("BEGIN CERTIFICATE") == 2


def test_flags_of_every_process_are_whole_words(ctx: Context) -> None:
    for component in discover().values():
        if isinstance(component, Process):
            command = component.command(ctx.settings)
            assert all(word and " " not in word for word in command)


def test_a_kubeconfig_carries_all_it_needs(ctx: Context) -> None:
    config = yaml.safe_load(render_kubeconfig(ctx.settings, ctx.pki, "admin"))
    assert config["current-context"] == "sandbox"
    assert config["clusters"][0]["cluster"]["server"] == "https://10.250.0.2:6443"
    assert set(config["users"][0]["user"]) == {"client-certificate-data", "client-key-data"}


def test_the_deployer_has_the_shipped_roles_and_a_namespace_whose_labels_are_not_ours(ctx: Context) -> None:
    made = {(o["kind"], o["metadata"]["name"]): o for o in objects(ctx, discover()["deployer"])}
    shipped = yaml.safe_load(ROLES.read_text())["items"]
    assert [one for one in made.values() if one["kind"] == "ClusterRole"] == [one for one in shipped if one]
    assert made["Namespace", "bytebot-production"]["metadata"] == {"name": "bytebot-production"}
    for kind, role in (("ClusterRoleBinding", "bytebot-deployer"), ("RoleBinding", "bytebot-deployer-namespace")):
        bound = made[kind, "bytebot-deployer"]
        assert bound["roleRef"]["name"] == role
        assert [one["name"] for one in bound["subjects"]] == ["deployer"]
        assert bound["metadata"].get("namespace") == ("bytebot-production" if kind == "RoleBinding" else None)


def test_the_deployer_is_in_no_group(ctx: Context) -> None:
    """An organization in the certificate would be a group, and system:masters may do everything."""
    (certificate,) = discover()["deployer"].certificates
    assert (certificate.common_name, certificate.organization, certificate.kubeconfig) == ("deployer", "", True)
    assert ctx.settings.kubeconfig_of("deployer") == ctx.settings.state / "deployer.kubeconfig"
    assert ctx.settings.kubeconfig_of("scheduler") == ctx.settings.conf / "scheduler.kubeconfig"


def test_an_unknown_word_in_a_template_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "t.j2").write_text("{{ nothing }}")
    with pytest.raises(jinja2.UndefinedError):
        render(tmp_path / "t.j2", {})


def test_files_are_rewritten_only_when_they_change(tmp_path: Path) -> None:
    path = tmp_path / "f"
    assert put(path, "a", 0o644) is True
    stamp = path.stat().st_mtime_ns
    assert put(path, "a") is False
    assert (path.stat().st_mtime_ns, path.stat().st_mode & 0o777) == (stamp, 0o600)
    assert put(path, "b") is True
    assert [p.name for p in tmp_path.iterdir()] == ["f"]
