# One Kubernetes cluster: read, page, apply and watch its objects, as plain dicts.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ansible_collections.bytebot.production.plugins.module_utils.clients.access import Connection, access_of
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster_errors import (
    api_exceptions,
    error_of,
    first_line,
    is_failure,
    message_of,
    read_timed_out,
    root_cause,
)
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    LibraryMissing,
    NoBackend,
    NotPermitted,
    NotThere,
    Refused,
    Unreachable,
)

Object = dict[str, Any]

PAGE = 500  # objects per LIST page, the chunk size of kubectl
CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 30.0
_AUTHORIZATION = "authorization.k8s.io/v1"
_WARNING = re.compile(r'\d{3} \S+ "((?:[^"\\]|\\.)*)"')


class Cluster:
    """One Kubernetes cluster. Objects go in and come out as plain dicts; errors are the collection's own."""

    def __init__(self, connection: Connection, cache_dir: str) -> None:
        """Read the credentials; the first request opens the connection.

        :param cache_dir: a private folder for the discovery cache; it may vanish after the task.
        """
        self._where = connection.describe()
        self._cache_file = str(Path(cache_dir) / "kubernetes-discovery.json")
        self._access = access_of(connection, cache_dir)
        self._discovered: Any = None
        self.server: str = self._access.server
        self.requests = 0
        self.warnings: list[str] = []  # what the API server warned of, each once (of deprecated APIs, say)
        self._ahead = timedelta()  # by which the API server's clock is before this machine's

    # ------------------------------------------------------------------ reading

    def now(self) -> datetime:
        """The time by the API server's clock, as its last answer told it: machines compare times by that alone."""
        return datetime.now(UTC) + self._ahead

    def version(self) -> Object:
        """The answer of ``/version``."""
        return self.raw("GET", "/version")

    def ready(self) -> tuple[bool, str]:
        """Whether ``/readyz`` says that the API server is ready, and its list of checks."""
        status, _headers, text = self._send("GET", "/readyz", None, {"verbose": "true"}, "application/json")
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
            raise error_of(status, "GET /readyz", text, self._where)
        return status == HTTPStatus.OK, text

    def may(self, attributes: Mapping[str, str]) -> bool:
        """Whether this account may do something (``resourceAttributes`` of a SelfSubjectAccessReview)."""
        review = {"apiVersion": _AUTHORIZATION, "kind": "SelfSubjectAccessReview"}
        body = {**review, "spec": {"resourceAttributes": dict(attributes)}}
        answer = self.raw("POST", f"/apis/{_AUTHORIZATION}/selfsubjectaccessreviews", body=body)
        return bool((answer.get("status") or {}).get("allowed"))

    def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> Object | None:
        """One object, or None where it does not exist."""
        try:
            return self.raw("GET", self._path(api_version, kind, namespace, name))
        except NotThere:
            return None

    def list(
        self, api_version: str, kind: str, namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> list[Object]:
        """All objects of a kind, page by page, each with its ``apiVersion`` and ``kind`` filled in."""
        return list(self._pages(api_version, kind, namespace, labels, fields))

    def _pages(self, api_version: str, kind: str, namespace: str, labels: str, fields: str) -> Iterator[Object]:
        query = {"limit": str(PAGE), "labelSelector": labels, "fieldSelector": fields, "continue": ""}
        path = self._path(api_version, kind, namespace)
        while True:
            page = self.raw("GET", path, query={key: value for key, value in query.items() if value})
            for item in page.get("items") or []:
                yield {"apiVersion": api_version, "kind": kind, **item}
            query["continue"] = (page.get("metadata") or {}).get("continue") or ""
            if not query["continue"]:
                return

    def serves(self, api_version: str, kind: str) -> bool:
        """Whether the cluster knows this kind."""
        try:
            self._resource(api_version, kind)
        except NotThere:
            return False
        return True

    def namespaced(self, api_version: str, kind: str) -> bool:
        """Whether objects of this kind live in a namespace."""
        return self.resource(api_version, kind)[1]

    def resource(self, api_version: str, kind: str) -> tuple[str, bool]:
        """The name under which a kind is served (its plural), and whether its objects live in a namespace."""
        return _CORE_PATHS.get((api_version, kind)) or _described(self._resource(api_version, kind))

    def logs(self, namespace: str, pod: str, container: str, *, lines: int = 20, previous: bool = False) -> str:
        """The last lines that a container wrote; empty where there are none to be had."""
        path = f"/api/v1/namespaces/{quote(namespace)}/pods/{quote(pod)}/log"
        query = {"container": container, "tailLines": str(lines), "previous": str(previous).lower()}
        try:
            return self.raw_text("GET", path, query=query)
        except (NotThere, Refused, NotPermitted, Unreachable):  # logs help to explain a failure; they never hide it
            return ""

    def exec(self, namespace: str, pod: str, container: str, command: Sequence[str]) -> Any:
        """Run a command in a container: the Kubernetes client's websocket with its standard streams, in bytes."""
        from kubernetes.client.exceptions import ApiException
        from kubernetes.stream.ws_client import websocket_call

        path = f"/api/v1/namespaces/{quote(namespace)}/pods/{quote(pod)}/exec"
        streams = [(name, "true") for name in ("stdin", "stdout", "stderr")]
        query = [("container", container), *streams, ("tty", "false"), *(("command", word) for word in command)]
        options = {"query_params": query, "headers": self._access.credentials(), "_preload_content": False}

        what = f"exec in pod {namespace}/{pod}"
        self.requests += 1
        try:
            settings = self._access.client().configuration
            return websocket_call(settings, "GET", self.server + path, binary=True, capture_all=False, **options)
        except ApiException as exc:  # every failure of the handshake comes as one, its status in the text
            refused = re.match(r"Handshake status (\d+)", str(exc.reason))
            if refused is None:
                raise Unreachable(
                    f"The Kubernetes API ({self._where}) cannot be reached to {what}: {first_line(str(exc.reason))}."
                ) from exc
            raise error_of(int(refused[1]), what, str(exc.reason).rpartition(" -+-+- ")[2], self._where) from exc

    def through_service(self, namespace: str, service: str, port: str, path: str = "/") -> tuple[int, str]:
        """GET a path of a Service through the API server's proxy: the backend's status and body.

        A failure to reach any backend is raised as :class:`NoBackend`; what the API server itself answers in the
        backend's place (not permitted, no such Service) is raised as for any other request.
        """
        url = f"/api/v1/namespaces/{quote(namespace)}/services/{quote(service)}:{quote(port)}/proxy/{path.lstrip('/')}"
        where = f"No backend of Service {namespace}/{service} port {port} answers"
        try:
            status, _headers, body = self._send("GET", url, None, {}, "application/json")
        except Unreachable as exc:
            if read_timed_out(exc.__cause__):
                raise NoBackend(f"{where} within {READ_TIMEOUT_S:g} s.") from exc
            raise
        if status == HTTPStatus.SERVICE_UNAVAILABLE and is_failure(body):
            raise NoBackend(f"{where}: {message_of(body)}.")
        if status >= HTTPStatus.BAD_REQUEST and is_failure(body):
            raise error_of(status, f"GET {url}", body, self._where)
        return status, body

    # ------------------------------------------------------------------ writing

    def apply(self, obj: Object, *, manager: str, dry_run: bool = False, force: bool = True) -> Object:
        """Server-side apply of one object; with ``dry_run`` admission is asked and nothing is stored."""
        metadata = obj["metadata"]
        path = self._path(obj["apiVersion"], obj["kind"], metadata.get("namespace", ""), metadata["name"])
        query = {"fieldManager": manager, "force": str(force).lower()} | ({"dryRun": "All"} if dry_run else {})
        return self.raw("PATCH", path, body=obj, query=query, content_type="application/apply-patch+yaml")

    def create(self, obj: Object, *, dry_run: bool = False) -> Object:
        """Create one object; an existing one is :class:`Refused`."""
        path = self._path(obj["apiVersion"], obj["kind"], obj["metadata"].get("namespace", ""))
        return self.raw("POST", path, body=obj, query={"dryRun": "All"} if dry_run else {})

    def replace(self, obj: Object) -> Object:
        """Store one object in the place of the same one; where it has changed since it was read, :class:`Refused`."""
        metadata = obj["metadata"]
        return self.raw(
            "PUT", self._path(obj["apiVersion"], obj["kind"], metadata.get("namespace", ""), metadata["name"]), body=obj
        )

    def delete(
        self,
        api_version: str,
        kind: str,
        name: str,
        namespace: str = "",
        *,
        dry_run: bool = False,
        only_version: str = "",
    ) -> bool:
        """Delete one object in the background; False where it did not exist.

        :param only_version: the ``resourceVersion`` that it must still have, else :class:`Refused`.
        """
        query = {"propagationPolicy": "Background"} | ({"dryRun": "All"} if dry_run else {})
        body = {"preconditions": {"resourceVersion": only_version}} if only_version else None
        try:
            self.raw("DELETE", self._path(api_version, kind, namespace, name), body=body, query=query)
        except NotThere:
            return False
        return True

    # ------------------------------------------------------------------ the wire

    def raw(
        self,
        method: str,
        path: str,
        *,
        body: Object | None = None,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Object:
        """One request, answered by JSON."""
        text = self.raw_text(method, path, body=body, query=query, content_type=content_type)
        try:
            parsed = json.loads(text)
        except ValueError:
            parsed = None
        if not isinstance(parsed, dict):
            raise Unreachable(
                f"What answers in place of the Kubernetes API ({self._where}) sends no JSON object to {method} {path}. "
                "Check the address, and whether a proxy stands between."
            )
        return parsed

    def raw_text(
        self,
        method: str,
        path: str,
        *,
        body: Object | None = None,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> str:
        """One request, answered by text; every status of 400 and above is raised."""
        status, headers, text = self._send(method, path, body, query or {}, content_type)
        self._learn_time(headers.get("Date", ""))
        self._learn_warnings(headers.get("Warning", ""))
        if status >= HTTPStatus.BAD_REQUEST:
            raise error_of(status, f"{method} {path}", text, self._where)
        return text

    def _learn_warnings(self, told: str) -> None:
        """Keep the texts of the headers ``Warning`` (RFC 9111, 5.5: code, agent, text), each once."""
        texts = (re.sub(r"\\(.)", r"\1", text) for text in _WARNING.findall(told))
        self.warnings += [text for text in dict.fromkeys(texts) if text not in self.warnings]

    def _learn_time(self, told: str) -> None:
        """Take the clock from the header ``Date`` (RFC 9110, 6.6.1), which knows whole seconds."""
        with suppress(ValueError):
            ahead = parsedate_to_datetime(told) - datetime.now(UTC)
            self._ahead = ahead if abs(ahead) > timedelta(seconds=1) else timedelta()

    def _send(
        self, method: str, path: str, body: Object | None, query: Mapping[str, str], content_type: str
    ) -> tuple[int, Mapping[str, str], str]:
        headers = {"Accept": "application/json", "Content-Type": content_type, **self._access.credentials()}
        url = self.server + path
        self.requests += 1

        def send() -> tuple[int, Mapping[str, str], str]:
            answer = self._access.pool.request(
                method,
                url + _query(query),
                body=None if body is None else json.dumps(body).encode(),
                headers=headers,
                timeout=_timeout(),
                retries=_retries(method),
            )
            return answer.status, answer.headers, answer.data.decode("utf-8", "replace")

        answer: tuple[int, Mapping[str, str], str] = self._call(f"{method} {path}", send)
        return answer

    def _call(self, what: str, send: Callable[[], Any]) -> Any:
        import urllib3

        try:
            return send()
        except api_exceptions() as exc:
            raise error_of(exc.status or 0, what, str(exc.body or exc.reason), self._where) from exc
        except (urllib3.exceptions.HTTPError, OSError) as exc:
            raise Unreachable(
                f"The Kubernetes API ({self._where}) cannot be reached to {what}: {root_cause(exc)}. "
                "Check the address, the network and that the cluster is up."
            ) from exc

    def _resource(self, api_version: str, kind: str) -> Any:
        from kubernetes.dynamic.exceptions import ResourceNotFoundError, ResourceNotUniqueError

        if self._discovered is None:
            dynamic = _dynamic_module()
            self._discovered = self._call(
                "discover its API", lambda: dynamic.DynamicClient(self._access.client(), cache_file=self._cache_file)
            )
        try:
            return self._call(
                f"find {kind} in {api_version}",
                lambda: self._discovered.resources.get(api_version=api_version, kind=kind),
            )
        except (ResourceNotFoundError, ResourceNotUniqueError) as exc:
            raise NotThere(f"The cluster ({self._where}) does not serve {kind} in {api_version}.") from exc

    def _path(self, api_version: str, kind: str, namespace: str = "", name: str = "") -> str:
        plural, namespaced = self.resource(api_version, kind)
        root = f"/api/{api_version}" if "/" not in api_version else f"/apis/{api_version}"
        middle = f"/namespaces/{quote(namespace)}" if namespaced and namespace else ""
        return f"{root}{middle}/{plural}" + (f"/{quote(name)}" if name else "")


# The kinds that every cluster serves need no discovery; all others are looked up.
_CORE_PATHS: dict[tuple[str, str], tuple[str, bool]] = {
    ("v1", "Namespace"): ("namespaces", False),
    ("v1", "Node"): ("nodes", False),
    ("v1", "Pod"): ("pods", True),
    ("v1", "Secret"): ("secrets", True),
    ("v1", "ConfigMap"): ("configmaps", True),
    ("v1", "Service"): ("services", True),
    ("v1", "ServiceAccount"): ("serviceaccounts", True),
    ("v1", "Event"): ("events", True),
    ("v1", "LimitRange"): ("limitranges", True),
    ("v1", "ResourceQuota"): ("resourcequotas", True),
    ("v1", "PersistentVolume"): ("persistentvolumes", False),
    ("v1", "PersistentVolumeClaim"): ("persistentvolumeclaims", True),
    ("apps/v1", "Deployment"): ("deployments", True),
    ("apps/v1", "ReplicaSet"): ("replicasets", True),
    ("apps/v1", "StatefulSet"): ("statefulsets", True),
    ("apps/v1", "DaemonSet"): ("daemonsets", True),
    ("autoscaling/v2", "HorizontalPodAutoscaler"): ("horizontalpodautoscalers", True),
    ("batch/v1", "CronJob"): ("cronjobs", True),
    ("batch/v1", "Job"): ("jobs", True),
    ("coordination.k8s.io/v1", "Lease"): ("leases", True),
    ("networking.k8s.io/v1", "Ingress"): ("ingresses", True),
    ("networking.k8s.io/v1", "IngressClass"): ("ingressclasses", False),
    ("networking.k8s.io/v1", "NetworkPolicy"): ("networkpolicies", True),
    ("policy/v1", "PodDisruptionBudget"): ("poddisruptionbudgets", True),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"): ("clusterroles", False),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): ("clusterrolebindings", False),
    ("rbac.authorization.k8s.io/v1", "Role"): ("roles", True),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): ("rolebindings", True),
    ("discovery.k8s.io/v1", "EndpointSlice"): ("endpointslices", True),
    ("storage.k8s.io/v1", "StorageClass"): ("storageclasses", False),
}


def _described(resource: Any) -> tuple[str, bool]:
    return resource.name, bool(resource.namespaced)


def _dynamic_module() -> Any:
    """The dynamic client, from ``openshift`` where it is installed, else from ``kubernetes``."""
    reason = ""
    for package in ("openshift.dynamic", "kubernetes.dynamic"):
        try:
            return importlib.import_module(package)
        except ImportError as exc:
            reason = str(exc)
    raise LibraryMissing("kubernetes", reason)


def _query(query: Mapping[str, str]) -> str:
    return "?" + "&".join(f"{key}={quote(value, safe='')}" for key, value in query.items()) if query else ""


def _timeout() -> Any:
    import urllib3

    return urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S)


def _retries(method: str) -> Any:
    """Reads survive a dropped keep-alive connection; writes are sent once."""
    import urllib3

    if method == "GET":
        return urllib3.Retry(total=2, connect=1, read=1, redirect=0, backoff_factor=0.2, raise_on_status=False)
    return urllib3.Retry(total=0, redirect=0, raise_on_status=False)
