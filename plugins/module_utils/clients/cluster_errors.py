# What an answer of the Kubernetes API means where it is no success, as an error of the collection.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
import sys
from http import HTTPStatus
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CredentialsRefused,
    NotPermitted,
    NotThere,
    Refused,
    Unreachable,
)

# Admission answers 403 as RBAC does: `… is forbidden: User "x" cannot list resource …` is RBAC's, and these are not.
_ADMISSION = re.compile(
    r"violates PodSecurity|exceeded quota|failed quota|admission webhook|ValidatingAdmissionPolicy"
    r"|is being terminated|error looking up service account|(?:minimum|maximum) .* (?:usage|per)"
)


def error_of(status: int, what: str, body: str, where: str) -> Exception:
    """The collection's error for an HTTP status of the API (Kubernetes API conventions, HTTP status codes)."""
    message = message_of(body)
    if status == HTTPStatus.UNAUTHORIZED:
        return CredentialsRefused(
            f"The Kubernetes API ({where}) refused the credentials to {what}: {message}. "
            "The token may have expired or the certificate be unknown: get new credentials."
        )
    if status == HTTPStatus.FORBIDDEN and _ADMISSION.search(message):
        return Refused(f"Admission refuses to {what}: {message}.")
    if status == HTTPStatus.FORBIDDEN:
        return NotPermitted(f"Not permitted to {what}: {message}. Grant that verb to this account.")
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
        return NotThere(f"{what}: {message}.")
    webhook = "webhook" in message  # one that refuses to start is admission's refusal, whatever the status
    if status == HTTPStatus.TOO_MANY_REQUESTS or (status >= HTTPStatus.INTERNAL_SERVER_ERROR and not webhook):
        return Unreachable(
            f"The Kubernetes API ({where}) failed to {what} ({status}): {message or 'it gives no reason'}. "
            "It is busy, or something between is: try again."
        )
    return Refused(f"The Kubernetes API refused to {what} ({status}): {message}.")


def api_exceptions() -> tuple[Any, ...]:
    """What the Kubernetes client raises, where it is in use."""
    if "kubernetes" not in sys.modules:
        return ()
    from kubernetes.client.exceptions import ApiException

    return (ApiException,)


def is_failure(body: str) -> bool:
    """Whether a body is the API server's own word on a failure (Kubernetes API conventions, response status kind)."""
    try:
        parsed = json.loads(body)
    except ValueError:
        return False
    return isinstance(parsed, dict) and (parsed.get("kind"), parsed.get("status")) == ("Status", "Failure")


def read_timed_out(cause: BaseException | None) -> bool:
    """Whether the other side was reached and did not answer in time."""
    from urllib3.exceptions import ReadTimeoutError

    return isinstance(cause, ReadTimeoutError) or isinstance(getattr(cause, "reason", None), ReadTimeoutError)


def message_of(body: str) -> str:
    """What a body says of a failure, in one line."""
    try:
        parsed = json.loads(body)
        text = str(parsed.get("message") or parsed.get("reason") or body)
    except (ValueError, AttributeError):
        text = body
    return first_line(text).rstrip(".")


def first_line(text: str) -> str:
    """A text in one line, and not too long a one."""
    return re.sub(r"\s+", " ", text.strip())[:600]


def root_cause(exc: BaseException) -> str:
    """What lies beneath an error of the network, in its own words."""
    reason = getattr(exc, "reason", None)
    if isinstance(reason, BaseException):
        return root_cause(reason)
    text = re.sub(r"<[^>]* object at 0x[0-9a-f]+>:? ?", "", str(exc))
    return first_line(text) or type(exc).__name__
