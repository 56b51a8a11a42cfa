# Lays out a job's folder as AWX does and runs it with ansible-runner: project, inventory, credentials as files, and
# what a template, its survey and a workflow give.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined

from tests.integration.conftest import BIN, LOGS, ROOT, SANDBOX, core_only

AWX = ROOT / "awx"
_HANDED_OVER = re.compile(r"\{\{ sandbox_dir \}\}/handover/([a-z.-]+)")
FIELDS = {  # of the credential type "Bytebot handover", by the sandbox's files
    "database-password": "database_password",
    "redis-password": "redis_password",
    "tls.crt": "tls_certificate",
    "tls.key": "tls_key",
    "database-ca.crt": "database_ca",
    "ingress-ca.crt": "ingress_ca",
}


@dataclass(frozen=True)
class Done:
    """How a job ended."""

    code: int
    output: str
    artifacts: Path

    def events(self) -> Iterator[dict[str, Any]]:
        """The job's events in their order."""
        paths = self.artifacts.glob("job_events/*.json")
        for path in sorted(paths, key=lambda path: int(path.name.split("-")[0])):
            yield json.loads(path.read_text())

    def told(self) -> dict[str, Any]:
        """What the next job of a workflow gets."""
        last = [event for event in self.events() if event["event"] == "playbook_on_stats"]
        assert last, self.output[-4000:]
        data: dict[str, Any] = last[-1]["event_data"]["artifact_data"]
        return data


class Jobs:
    """Jobs of the templates: each begins with an empty disk, as a pod of AWX does."""

    def __init__(self, folder: Path, kubeconfig: Path, variables: Mapping[str, Any]) -> None:
        """Nothing is made yet.

        :param kubeconfig: goes into the credential of its type.
        :param variables: further extra variables of every template.
        """
        self.folder, self.kubeconfig, self.variables = folder, kubeconfig, dict(variables)
        self.count = 0
        told = yaml.safe_load((AWX / "templates.yml").read_text())
        self.templates = {one["name"]: {**told["awx_template_defaults"], **one} for one in told["awx_templates"]}

    def launch(
        self,
        name: str,
        answers: Mapping[str, Any] | None = None,
        tags: str = "",
        artifacts: Mapping[str, Any] | None = None,
    ) -> Done:
        """Launch a template in a new folder.

        :param answers: to its survey; the defaults answer the rest.
        :param tags: asked at launch.
        :param artifacts: what the jobs before it have told in a workflow.
        """
        template = self.templates[name]
        survey = {item["variable"]: item["default"] for item in template["survey"] if "default" in item}
        arguments = ["--limit", "sandbox"] if template["limited"] else []
        if tags or template["job_tags"]:
            arguments += ["--tags", tags or template["job_tags"]]
        meta = {
            "job_id": self.count + 1,
            "job_template_name": name,
            "user_name": "launcher",
            "inventory_name": "Bytebot",
        }
        always = {f"{prefix}_{key}": value for prefix in ("awx", "tower") for key, value in meta.items()}
        variables = {
            **self.variables,
            **template["extra_vars"],
            **survey,
            **(answers or {}),
            **(artifacts or {}),
            **always,
        }
        return self._run(template["playbook"], variables, arguments)

    def _run(self, playbook: str, given: Mapping[str, Any], arguments: Sequence[str]) -> Done:
        self.count += 1
        private = self.folder / f"awx_{self.count}"
        private.mkdir(mode=0o700)
        shutil.copytree(AWX / "project", private / "project")
        for name in ("inventory", "env"):
            (private / name).mkdir(mode=0o700)
        self._install(private)
        (private / "inventory" / "hosts.json").write_text(json.dumps(_inventory()))
        extra, variables = _injected(private / "env", self._credentials())
        environment = {
            **variables,
            **core_only(playbook, arguments),
            "ANSIBLE_COLLECTIONS_PATH": str(private / "requirements_collections"),
            "ANSIBLE_HOME": str(private / ".ansible"),
            "HOME": str(private),
        }
        (private / "env" / "extravars").write_text(json.dumps({**given, **extra}))
        (private / "env" / "envvars").write_text(json.dumps(environment))
        command = [str(BIN / "ansible-runner"), "run", str(private), "-p", playbook, "--ident", "job"]
        command += ["--cmdline", shlex.join(arguments)] if arguments else []
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("KUBE", "ANSIBLE_", "K8S_"))}
        done = subprocess.run(
            command,
            env={**clean, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        output = done.stdout + done.stderr
        LOGS.mkdir(parents=True, exist_ok=True)
        (LOGS / f"awx-{self.count}-{playbook}.log").write_text(output, encoding="utf-8")
        return Done(done.returncode, output, private / "artifacts" / "job")

    def _install(self, private: Path) -> None:
        """Install the collection as a project's sync does; it does so once, and later jobs get what it installed."""
        wanted = private / "requirements_collections"
        if self.count == 1:
            _install(private)
        else:
            shutil.copytree(self.folder / "awx_1" / wanted.name, wanted, copy_function=os.link)

    def _credentials(self) -> dict[str, dict[str, str]]:
        handed_over = {field: (SANDBOX / "handover" / name).read_text() for name, field in FIELDS.items()}
        return {"kubeconfig": {"kubeconfig": self.kubeconfig.read_text()}, "handover": handed_over}


def _install(private: Path) -> None:
    """Install the collection from the built tarball, as a requirements file of the project may name it."""
    built = sorted((ROOT / "build").glob("bytebot-production-*.tar.gz"))
    assert built, "there is no tarball: run make dist"
    requirements = private / "project" / "collections" / "requirements.yml"
    requirements.write_text(json.dumps({"collections": [{"name": str(built[-1]), "type": "file"}]}))
    command = [str(BIN / "ansible-galaxy"), "collection", "install", "--offline", "--no-deps", "--force"]
    command += [
        "--requirements-file",
        str(requirements),
        "--collections-path",
        str(private / "requirements_collections"),
    ]
    environment = {key: value for key, value in os.environ.items() if key != "ANSIBLE_COLLECTIONS_PATH"}
    subprocess.run(command, cwd=private, env=environment, check=True, capture_output=True)


def _inventory() -> dict[str, Any]:
    """The sandbox's inventory, with what is handed over named by the credential's variables."""
    folder = ROOT / "inventories" / "sandbox"
    text = _HANDED_OVER.sub(_by_credential, (folder / "group_vars" / "all.yml").read_text())
    variables: dict[str, Any] = yaml.safe_load(text.replace("{{ inventory_dir }}", str(folder)))
    del variables["bytebot_kubeconfig"]
    local = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    return {"all": {"hosts": {"sandbox": local}, "vars": {**variables, "sandbox_dir": str(SANDBOX.resolve())}}}


def _by_credential(found: re.Match[str]) -> str:
    field = FIELDS.get(found.group(1))
    return f"{{{{ bytebot_handover.{field} }}}}" if field else found.group(0)


def _injected(env: Path, given: Mapping[str, Mapping[str, str]]) -> tuple[dict[str, Any], dict[str, str]]:
    """What AWX makes of credentials by the injectors of their types: extra variables and environment, beside files."""
    extra: dict[str, Any] = {}
    environment: dict[str, str] = {}
    for name, values in given.items():
        kind = yaml.safe_load((AWX / "credential_types" / f"{name}.yml").read_text())
        assert set(kind["inputs"]["required"]) <= set(values)
        injectors = kind["injectors"]
        files = {key: _file(env, render(text, values)) for key, text in injectors["file"].items()}
        names: Any = {key.partition(".")[2]: path for key, path in files.items()} if "template" not in files else ""
        where = {"tower": {"filename": names or files["template"]}, **values}
        extra |= {key: _filled(value, where) for key, value in injectors.get("extra_vars", {}).items()}
        environment |= {key: render(text, where) for key, text in injectors.get("env", {}).items()}
    return extra, environment


def _file(env: Path, text: str) -> str:
    handle, path = tempfile.mkstemp(dir=env)  # mode 0600
    with os.fdopen(handle, "w") as file:
        file.write(text)
    return path


def _filled(value: Any, where: Mapping[str, Any]) -> Any:
    return (
        {key: _filled(item, where) for key, item in value.items()} if isinstance(value, dict) else render(value, where)
    )


def render(text: str, values: Mapping[str, Any]) -> str:
    """A template of a credential type."""
    return Environment(undefined=StrictUndefined, keep_trailing_newline=True).from_string(text).render(**values)
