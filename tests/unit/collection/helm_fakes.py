# Objects as the API server shows them, releases as Helm stores them, and a helm that only remembers: for tests.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import yaml

from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError, NotThere, Refused
from ansible_collections.bytebot.production.plugins.module_utils.helm.cli import Completed, HelmCli, Target
from ansible_collections.bytebot.production.plugins.module_utils.manifest import Identity, identity

Object = dict[str, Any]
SHOP = "shop"
API = {
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "ReplicaSet": "apps/v1",
    "Job": "batch/v1",
}


# ---------------------------------------------------------------------- objects


def obj(kind: str, name: str, spec: Any = None, status: Any = None, **metadata: Any) -> Object:
    """An object of the namespace `shop`, with a uid and generation 1 unless told otherwise."""
    named = {"name": name, "namespace": SHOP, "uid": f"uid-{kind}-{name}", "generation": 1, **metadata}
    return {
        "apiVersion": API.get(kind, "v1"),
        "kind": kind,
        "metadata": named,
        "spec": spec or {},
        "status": status or {},
    }


def owned_by(owner: Object) -> list[Object]:
    return [
        {"kind": owner["kind"], "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"], "controller": True}
    ]


def deployment(wanted: int = 1, ready: int | None = None, /, **status: Any) -> Object:
    """A Deployment `api` whose replicas are all updated, of which some are available."""
    told = {"observedGeneration": 1, "replicas": wanted, "updatedReplicas": wanted}
    available = wanted if ready is None else ready
    return obj("Deployment", "api", {"replicas": wanted}, told | {"availableReplicas": available} | status)


def replica_set(owner: Object, revision: int) -> Object:
    annotations = {"deployment.kubernetes.io/revision": str(revision)}
    return obj("ReplicaSet", f"api-{revision}", ownerReferences=owned_by(owner), annotations=annotations)


def pod(owner: Object | None = None, name: str = "api-1-x", *, ready: bool = True, **status: Any) -> Object:
    """A pod of an owner with one container `app`."""
    references = {} if owner is None else {"ownerReferences": owned_by(owner)}
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    spec = {"containers": [{"name": "app", "image": "registry/api:1"}]}
    return obj("Pod", name, spec, {"phase": "Running", "conditions": conditions} | status, **references)


def waiting(reason: str, message: str = "", restarts: int = 0, **more: Any) -> Object:
    """The status of a container that waits."""
    return {
        "name": "app",
        "restartCount": restarts,
        "state": {"waiting": {"reason": reason, "message": message}},
        **more,
    }


def running(started: str, restarts: int = 0, image_id: str = "registry/api@sha256:aaa", name: str = "app") -> Object:
    """The status of a container that runs."""
    state = {"running": {"startedAt": started}}
    return {"name": name, "image": "registry/api:1", "imageID": image_id, "restartCount": restarts, "state": state}


def event(about: Object, reason: str, message: str, version: str = "1") -> Object:
    metadata = {"name": f"event-{reason}", "namespace": SHOP, "uid": f"uid-event-{reason}", "resourceVersion": version}
    involved = {"uid": about["metadata"]["uid"], "name": about["metadata"]["name"]}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": metadata,
        "reason": reason,
        "message": message,
        "involvedObject": involved,
    }


# ---------------------------------------------------------------------- a cluster that only holds


class HeldCluster:
    """Answers reads from objects that it holds, and dry runs by what it was told to answer."""

    def __init__(self, *objects: Object) -> None:
        self.objects: list[Object] = list(objects)
        self.requests = 0
        self.refuses: dict[str, Exception] = {}  # by kind, for dry runs
        self.fails: list[CollectionError] = []  # raised by the next reads
        self.applied: list[Object] = []
        self.created: list[Object] = []
        self.backends: dict[str, Any] = {}  # `service:port` to a status or an error
        self.log_text = ""
        self.warnings: list[str] = []
        self.log_requests: list[tuple[str, str, str, bool]] = []
        self.clock = datetime(2026, 1, 2, 4, 0, tzinfo=UTC)
        self.written: list[tuple[str, str]] = []  # verb, and kind and name, of what was really changed
        self.before_writing: Callable[[Object], object] = lambda _wanted: None  # may refuse, or be faster

    def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> Object | None:
        self.requests += 1
        wanted = Identity(kind, namespace, name, api_version.rpartition("/")[0])
        return next((one for one in self.objects if identity(one) == wanted), None)

    def list(
        self, _api_version: str, kind: str, namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> list[Object]:
        self.requests += 1
        if self.fails:
            raise self.fails.pop(0)
        wanted = dict(pair.split("=") for pair in labels.split(",") if pair)
        return [
            one
            for one in self.objects
            if one["kind"] == kind
            and one["metadata"].get("namespace", "") == namespace
            and wanted.items() <= (one["metadata"].get("labels") or {}).items()
        ]

    def version(self) -> Object:
        return {"gitVersion": "v1.30.2"}

    def namespaced(self, _api_version: str, kind: str) -> bool:
        return kind != "Namespace"

    def apply(self, wanted: Object, *, manager: str, dry_run: bool = False, force: bool = True) -> Object:
        assert dry_run, "these tests apply nothing"
        self.requests += 1
        self.applied.append(wanted)
        if wanted["kind"] in self.refuses:
            raise self.refuses[wanted["kind"]]
        live = self.get(
            wanted["apiVersion"], wanted["kind"], wanted["metadata"]["name"], wanted["metadata"].get("namespace", "")
        )
        return {**(live or {}), **wanted, "metadata": {**((live or {}).get("metadata") or {}), **wanted["metadata"]}}

    def now(self) -> datetime:
        return self.clock

    def leases(self) -> list[Object]:
        return [one for one in self.objects if one["kind"] == "Lease"]

    def replace(self, wanted: Object) -> Object:
        self.before_writing(wanted)
        live = self._live(wanted)
        if live is None:
            raise NotThere(f"{wanted['kind']} {wanted['metadata']['name']} not found.")
        return self._write("replace", live, wanted)

    def delete(
        self, _api: str, kind: str, name: str, namespace: str = "", *, dry_run: bool = False, only_version: str = ""
    ) -> bool:
        assert not dry_run
        found = [one for one in self.objects if (one["kind"], one["metadata"]["name"]) == (kind, name)]
        found = [one for one in found if one["metadata"].get("namespace", "") == namespace]
        if found and only_version and found[0]["metadata"].get("resourceVersion") != only_version:
            raise Refused("the object has been modified")
        self.objects = [one for one in self.objects if one not in found]
        self.written += [("delete", f"{kind} {name}") for _one in found]
        return bool(found)

    def _live(self, wanted: Object) -> Object | None:
        return next((one for one in self.objects if identity(one) == identity(wanted)), None)

    def _write(self, verb: str, live: Object | None, wanted: Object) -> Object:
        was = ((live or {}).get("metadata") or {}).get("resourceVersion", "0")
        asked = wanted["metadata"].get("resourceVersion")
        if live and asked and asked != was:
            raise Refused("the object has been modified")
        new = {**wanted, "metadata": {**wanted["metadata"], "resourceVersion": str(int(was) + 1)}}
        self.objects = [*(one for one in self.objects if one is not live), new]
        self.written.append((verb, f"{wanted['kind']} {wanted['metadata']['name']}"))
        return new

    def create(self, wanted: Object, *, dry_run: bool = False) -> Object:
        if wanted["kind"] == "Lease":
            self.before_writing(wanted)
            if self._live(wanted):
                raise Refused("it already exists")
            return self._write("create", None, wanted)
        assert dry_run, "these tests create nothing else"
        self.created.append(wanted)
        if wanted["kind"] in self.refuses:
            raise self.refuses[wanted["kind"]]
        return wanted

    def logs(self, namespace: str, name: str, container: str, *, lines: int = 20, previous: bool = False) -> str:
        self.log_requests.append((namespace, name, container, previous))
        return self.log_text

    def through_service(self, _namespace: str, service: str, port: str, path: str = "/") -> tuple[int, str]:
        answer = self.backends[f"{service}:{port}"]
        if isinstance(answer, Exception):
            raise answer
        return answer, ""


# ---------------------------------------------------------------------- helm


def rendered(
    *objects: Object, revision: int = 1, status: str = "deployed", hooks: Sequence[Object] = (), **more: Any
) -> Object:
    """A release in the JSON that helm stores and prints."""
    return {
        "name": "bytebot",
        "namespace": SHOP,
        "version": revision,
        "info": {
            "status": status,
            "description": "Install complete",
            "last_deployed": "2026-01-02T03:04:05Z",
            "notes": "",
        },
        "chart": {"metadata": {"name": "bytebot", "version": "1.0.0", "appVersion": "1.0.0"}},
        "config": {},
        "manifest": "---\n".join(yaml.safe_dump(one) for one in objects),
        "hooks": [{"name": hook["metadata"]["name"], "manifest": yaml.safe_dump(hook)} for hook in hooks],
        **more,
    }


def stored_text(release: Object) -> str:
    """What stands under the key `release` of a Secret, as the API shows it: gzip, base64, base64."""
    return b64encode(b64encode(gzip.compress(json.dumps(release).encode()))).decode()


def stored(release: Object, written: str = "2026-01-02T03:04:05Z", **labels: str) -> Object:
    """The Secret in which helm keeps a revision."""
    labels = {"owner": "helm", "name": release["name"], "status": release["info"]["status"], **labels}
    name = f"sh.helm.release.v1.{release['name']}.v{release['version']}"
    metadata = {"name": name, "namespace": release["namespace"], "labels": labels, "creationTimestamp": written}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"release": stored_text(release)}}


class FakeHelm:
    """A runner that remembers its calls. ``on`` maps a verb (`upgrade`, `upgrade --dry-run`) to what it does."""

    def __init__(self, **on: Callable[[], Completed] | Completed) -> None:
        self.on: dict[str, Any] = {"version": Completed(0, "v3.16.0+gabc", ""), **on}
        self.calls: list[list[str]] = []
        self.stdins: list[str | None] = []
        self.environments: list[dict[str, str]] = []
        self.reasons_to_stop: list[str] = []
        self.before_asking: Callable[[], object] = int  # runs before the question whether to stop

    def __call__(
        self,
        arguments: Sequence[str],
        stdin: str | None,
        environment: Mapping[str, str],
        should_stop: Callable[[], str] | None = None,
        *,
        unwanted: object = None,
    ) -> Completed:
        self.calls.append(list(arguments))
        self.stdins.append(stdin)
        self.environments.append(dict(environment))
        if should_stop:
            self.before_asking()
            self.reasons_to_stop.append(should_stop())
        verb = "render" if "--dry-run=server" in arguments else arguments[1]
        answer = self.on[verb]
        done: Completed = answer() if callable(answer) else answer
        return done

    def verbs(self) -> list[str]:
        return ["render" if "--dry-run=server" in call else call[1] for call in self.calls]

    def cli(self) -> HelmCli:
        return HelmCli("/bin/helm", Target(SHOP, "/kubeconfig", "here"), runner=self)


def prints(release: Object) -> Completed:
    return Completed(0, json.dumps(release), "")
