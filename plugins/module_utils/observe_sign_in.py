# Signs in to the services of a release from inside its namespace, through one short-lived pod.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol

from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import Held, Keys, SignIn, Target
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_login import target_of
from ansible_collections.bytebot.production.plugins.module_utils.clients import login_postgres, login_redis
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.login_postgres import Outcome
from ansible_collections.bytebot.production.plugins.module_utils.clients.tunnel import NO_TOOL, Opener, tunnel
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CollectionError,
    LibraryMissing,
    NotPermitted,
)
from ansible_collections.bytebot.production.plugins.module_utils.scratch_pod import (
    LABELS,
    PodFailed,
    Probe,
    scratch_pod,
)

SignsIn = Callable[[Target, int, str, float], Outcome]
SERVICES: Mapping[str, SignsIn] = {"postgresql": login_postgres.sign_in, "redis": login_redis.sign_in}
SIGN_IN_S = 15.0  # for one sign-in; a name that does not resolve takes some seconds to say so
# What the programs that carry the connection say, by cause: getaddrinfo's, libc's and BusyBox's words.
_DNS = re.compile(
    r"name or service not known|not known|bad address|getaddrinfo|temporary failure in name resolution|no such host"
    r"|does not resolve|host lookup failed|gaierror|no address associated|name resolution|could not resolve",
    re.IGNORECASE,
)
_REFUSED = re.compile(r"connection refused", re.IGNORECASE)
_AWAY = re.compile(r"timed? ?out|no route|unreachable", re.IGNORECASE)
_FIX = "Correct the value in the Secret; the server's owner knows what it accepts. Restart what reads the Secret."
_HOST = "Correct the host (and port) in the Secret: SERVICE.NAMESPACE.svc.cluster.local for a Service of this cluster."
_TLS = "Put the CA of the server's certificate into the Secret, and use the host name that the certificate is for."


class Met(Protocol):
    """What came of meeting a server."""

    @property
    def cause(self) -> str: ...
    @property
    def lost(self) -> bool: ...


def sign_ins(
    cluster: Cluster, probe: Probe, held: Mapping[str, Held], asked: Iterable[tuple[str, Keys, str]], folder: str
) -> dict[str, SignIn]:
    """Sign in with the credentials of each Secret that is well formed; no pod is made where none is.

    :param asked: control, keys, service (``postgresql`` or ``redis``).
    """
    targets = {
        control: (target, service)
        for control, keys, service in asked
        if not (target := target_of(held[keys.secret].data, keys, service)).problems
    }
    if not targets:
        return {}
    try:
        with scratch_pod(cluster, probe) as opens:
            return {
                control: _signed_in(cluster, probe, opens, target, service=service, folder=Path(folder))
                for control, (target, service) in targets.items()
            }
    except PodFailed as exc:
        return {control: SignIn("unable", exc.sentence, exc.remedy) for control in targets}
    except CollectionError as exc:
        return {
            control: SignIn("unable", exc.sentence.rstrip("."), "Mend that, then judge again.") for control in targets
        }


def _signed_in(cluster: Cluster, probe: Probe, opens: Opener, target: Target, *, service: str, folder: Path) -> SignIn:
    own_ca = ca_file(folder, target.ca)
    try:
        with tunnel(opens, target.host, target.port) as way:
            outcome = SERVICES[service](target, way.port, own_ca, SIGN_IN_S)
            return _judged(cluster, probe, outcome, way.said)
    except LibraryMissing as exc:
        return SignIn(
            "missing", exc.sentence.rstrip("."), f"Install {exc.package} for this Python: see requirements.txt."
        )
    finally:
        if own_ca:
            Path(own_ca).unlink()


def ca_file(folder: Path, ca: str) -> str:
    """The CA of a server in a file of its own, since libpq takes none by memory; empty where there is none."""
    if not ca:
        return ""
    path = folder / "server-ca.crt"
    path.touch(mode=0o600)
    path.write_text(ca, encoding="utf-8")
    return str(path)


def _judged(cluster: Cluster, probe: Probe, outcome: Outcome, said: str) -> SignIn:
    if not outcome.cause:
        return SignIn("works", seen=outcome.seen)
    if not outcome.lost:
        state = "blocked" if outcome.passing else "refused"
        remedy = _TLS if "certificate" in outcome.cause else _FIX
        return SignIn(state, outcome.cause, "Judge again in a while." if outcome.passing else remedy, outcome.seen)
    return lost(cluster, probe, outcome, said)


def lost(cluster: Cluster, probe: Probe, outcome: Met, said: str) -> SignIn:
    """No server spoke: what carries the connection says why."""
    if NO_TOOL in said:
        tools = "The probe's image has none of python3, bash, socat and nc"
        return SignIn("unable", tools, "Set probe_image to one that has.")
    if "Kubernetes API" in said or "Not permitted to" in said:
        return SignIn("unable", said.rstrip("."), "Allow this account to create and get pods/exec in the namespace.")
    return _unreached(outcome, said, _policies(cluster, probe))


def _unreached(outcome: Met, said: str, policies: list[str]) -> SignIn:
    if _REFUSED.search(said):
        return SignIn("refused", "nothing listens there: the connection is refused", _HOST)
    if policies and (_DNS.search(said) or _AWAY.search(said) or not said):
        cause = f"{_shown(said)}, and NetworkPolicy {', '.join(policies)} may be what keeps the probe's pod out"
        return SignIn("blocked", cause, f"Let pods labelled {LABELS} out to the service, or judge without that policy.")
    if _DNS.search(said):
        return SignIn("refused", "its name does not resolve in the cluster", _HOST)
    if _AWAY.search(said):
        return SignIn("refused", "there is no way to it from the namespace, or it does not answer", _HOST)
    return SignIn("refused", f"{outcome.cause}{'; ' + _shown(said) if said else ''}", _HOST)


def _shown(said: str) -> str:
    return said[:200].rstrip(".") or "the connection ended without a word"


def _policies(cluster: Cluster, probe: Probe) -> list[str]:
    """The NetworkPolicies that limit where the probe's pod may connect to."""
    try:
        found = cluster.list("networking.k8s.io/v1", "NetworkPolicy", probe.namespace)
    except NotPermitted:
        return ["(they may not be listed)"]
    return [one["metadata"]["name"] for one in found if _limits(one.get("spec") or {})]


def _limits(spec: Mapping[str, object]) -> bool:
    selector = spec.get("podSelector") or {}
    labels = dict(selector.get("matchLabels") or {}) if isinstance(selector, Mapping) else {}
    # matchExpressions count as matching: that a policy may be the cause is all that is said of it
    return "egress" in {key.lower() for key in _types(spec)} and labels.items() <= LABELS.items()


def _types(spec: Mapping[str, object]) -> list[str]:
    given = spec.get("policyTypes")
    return (
        [str(one) for one in given]
        if isinstance(given, list)
        else ["Ingress", *(["Egress"] if "egress" in spec else [])]
    )
