# Finds a way to a server: from this machine where it can be reached, else through a pod in the namespace.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import SignIn
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.tunnel import Opener, tunnel
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError, LibraryMissing
from ansible_collections.bytebot.production.plugins.module_utils.observe_sign_in import Met, lost
from ansible_collections.bytebot.production.plugins.module_utils.scratch_pod import PodFailed, Probe, scratch_pod

AUTO, DIRECT, NAMESPACE = "auto", "direct", "namespace"
REACHES = (AUTO, DIRECT, NAMESPACE)
CONNECT_S = 5.0  # for one TCP connection from this machine
_HOST = "Start the server, or correct its host and port, and let this machine or the namespace connect to it."
Answer = TypeVar("Answer", bound=Met)


@dataclass(frozen=True, slots=True)
class Way:
    """An address and port that lead to a server, and from where: ``controller`` or ``namespace``."""

    address: str
    port: int
    side: str


@dataclass(frozen=True, slots=True)
class Sides:
    """From where servers may be met.

    :param probe: how the pod is made that carries connections; None where none may be, for the reason in ``no_probe``.
    """

    reach: str = AUTO
    probe: Probe | None = None
    no_probe: str = ""


class Roads:
    """Leads to servers; the pod is made when it is first needed and removed at the end."""

    def __init__(self, cluster: Cluster, sides: Sides) -> None:
        self._cluster, self._sides = cluster, sides
        self._stack = contextlib.ExitStack()
        self._opens: Opener | None = None

    def __enter__(self) -> Roads:
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def ask(self, host: str, port: int, look: Callable[[Way], Answer]) -> tuple[Answer | None, str, SignIn | None]:
        """What came of looking at a server, from which side; or why no side leads there."""
        try:
            return self._ask(host, port, look)
        except LibraryMissing as exc:
            remedy = f"Install {exc.package} for this Python: see requirements.txt."
            return None, "", SignIn("missing", exc.sentence.rstrip("."), remedy)
        except PodFailed as exc:
            return None, NAMESPACE, SignIn("unable", exc.sentence, exc.remedy)
        except CollectionError as exc:
            return None, NAMESPACE, SignIn("unable", exc.sentence.rstrip("."), "Mend that, then judge again.")

    def _ask(self, host: str, port: int, look: Callable[[Way], Answer]) -> tuple[Answer | None, str, SignIn | None]:
        closed = ""
        if self._sides.reach != NAMESPACE:
            address, closed = direct(host, port)
            if address:
                answer = look(Way(address, port, "controller"))
                if not self._inside_may_do(answer):
                    return _met(answer)
                closed = answer.cause
        if self._sides.reach == DIRECT:
            return None, "controller", SignIn("refused", closed, _HOST)
        if self._sides.probe is None:
            here = f"this machine does not reach it ({closed}), and " if closed else ""
            return None, "", SignIn("unseen", f"{here}{self._sides.no_probe.rstrip('.')}", _IMAGE)
        return self._inside(self._sides.probe, host, port, look)

    def _inside_may_do(self, answer: Met) -> bool:
        """Whether a server that does not want this machine may want the namespace's pods, and these may be asked."""
        kept_out = answer.lost or any(words in answer.cause for words in _ELSEWHERE)
        return kept_out and self._sides.reach == AUTO and self._sides.probe is not None

    def _inside(
        self, probe: Probe, host: str, port: int, look: Callable[[Way], Answer]
    ) -> tuple[Answer | None, str, SignIn | None]:
        if self._opens is None:
            self._opens = self._stack.enter_context(scratch_pod(self._cluster, probe))
        with tunnel(self._opens, host, port) as way:
            answer = look(Way("127.0.0.1", way.port, NAMESPACE))
            if answer.lost:
                return None, NAMESPACE, lost(self._cluster, probe, answer, way.said)
            return answer, NAMESPACE, None


def _met(answer: Answer) -> tuple[Answer | None, str, SignIn | None]:
    if answer.lost:
        return None, "controller", SignIn("refused", answer.cause, _HOST)
    return answer, "controller", None


# Refusals by where one comes from: PostgreSQL's rules of sign-in, Redis's protected mode.
_ELSEWHERE = ("pg_hba.conf", "protected mode")
_IMAGE = "Set probe_image (in the inventory: bytebot_probe_image), and run without --check."


def direct(host: str, port: int) -> tuple[str, str]:
    """The address at which this machine reaches a host's port; or why it does not."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as exc:
        return "", f"its name does not resolve here: {_words(exc)}"
    cause = "it has no address"
    for _family, _type, _protocol, _name, place in found:
        try:
            with socket.create_connection((str(place[0]), port), timeout=CONNECT_S):
                return str(place[0]), ""
        except OSError as exc:
            cause = f"no connection to {place[0]}:{port}: {_words(exc)}"
    return "", cause


def _words(exc: OSError) -> str:
    return (exc.strerror or str(exc) or type(exc).__name__)[:200].rstrip(".").lower()
