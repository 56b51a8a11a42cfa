# Reads credentials out of a Secret, says what is wrong with them as they stand there, and judges a sign-in with them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import parse_qs, unquote, urlsplit

from ansible_collections.bytebot.production.plugins.module_utils.checks import secrets_values
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import (
    Keys,
    SecretFacts,
    SignIn,
    Target,
    not_there,
    some,
)
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Verdict,
    errored,
    failed,
    inconclusive,
    passed,
    pending,
)

_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_LOCAL = ("localhost", "ip6-localhost")
_SCHEMES = {"postgresql": "postgresql", "postgres": "postgresql", "redis": "redis", "rediss": "redis"}
LONGEST_NAME, LAST_PORT = 253, 65535  # RFC 1035, section 2.3.4, as text; RFC 793
PORTS = {"postgresql": 5432, "redis": 6379}
# libpq's sslmode, weakest first; the contract asks for require at least.
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
GIVE_IMAGE = (
    "Set probe_image (in the inventory: bytebot_probe_image) to an image with sh and one of python3, bash, "
    "socat and nc, and run without --check."
)


def host_flaw(host: str) -> str:
    """Why a host cannot be the one that pods connect to; empty where it can."""
    if not host:
        return "is empty"
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        if host.lower().rstrip(".") in _LOCAL:
            return "is localhost, which in a pod is the pod itself"
        whole = len(host) <= LONGEST_NAME and all(_LABEL.fullmatch(label) for label in host.rstrip(".").split("."))
        return "" if whole else "is no host name"
    local = address.is_loopback or address.is_unspecified
    return "is a loopback address, which in a pod is the pod itself" if local else ""


def target_of(data: Mapping[str, bytes], keys: Keys, service: str, *, any_mode: bool = False) -> Target:
    """The credentials in a Secret's data, with all that is wrong with them before anybody signs in.

    :param service: ``postgresql`` or ``redis``; :param any_mode: whether a URL may ask for less than TLS.
    """
    missing = [key for key in ((keys.dsn,) if keys.dsn else _required(keys)) if key not in data]
    if missing:
        return Target(problems=(f"key {' and '.join(missing)} is missing",))
    given = {key: value for key, value in data.items() if key in _named(keys)}
    problems = [f"{key} {flaw}" for key, value in sorted(given.items()) if (flaw := _value_flaw(key, value, keys))]
    if problems:
        return Target(problems=tuple(problems))
    texts = {key: value.decode() for key, value in given.items()}
    found = _of_url(texts[keys.dsn], keys, service, any_mode) if keys.dsn else _of_keys(texts, keys, service)
    if not found.problems and (flaw := host_flaw(found.host)):
        return replace(
            found, problems=(f"{keys.dsn or keys.host} {flaw if not keys.dsn else 'names a host that ' + flaw}",)
        )
    ca = texts.get(keys.ca, "")
    return replace(found, ca=ca if secrets_values.PEM_BEGIN.decode() in ca else "")


def _required(keys: Keys) -> tuple[str, ...]:
    return tuple(str(getattr(keys, part)) for part in keys.required)


def _named(keys: Keys) -> set[str]:
    if keys.dsn:
        return {keys.dsn, keys.ca}
    return {keys.username, keys.password, keys.host, keys.port, keys.database, keys.ca}


def _value_flaw(key: str, value: bytes, keys: Keys) -> str:
    if not value.strip():
        return "is empty"
    if flaw := secrets_values.text_flaw(value):
        return flaw
    text = value.decode()
    for flaw in (secrets_values.command_flaw(text), secrets_values.template_flaw(text)):
        if flaw:
            return flaw
    if key == keys.ca:
        return secrets_values.pem_flaw("ca.crt", value)
    if flaw := secrets_values.twice_flaw(value):
        return flaw
    return "begins or ends with a blank or line break" if text != text.strip() else ""


def _of_keys(texts: Mapping[str, str], keys: Keys, service: str) -> Target:
    port = texts.get(keys.port, "")
    if port and not (port.isdigit() and 0 < int(port) <= LAST_PORT):
        return Target(problems=(f"{keys.port} is no port",))
    return Target(
        host=texts.get(keys.host, ""),
        port=int(port or PORTS[service]),
        username=texts.get(keys.username, ""),
        password=texts.get(keys.password, ""),
        database=texts.get(keys.database, ""),
        encryption=keys.encryption,
    )


def _of_url(url: str, keys: Keys, service: str, any_mode: bool) -> Target:
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS[service]
        query = parse_qs(parts.query)
    except ValueError:
        return Target(problems=(f"{keys.dsn} is no URL that can be read",))
    if _SCHEMES.get(parts.scheme) != service:
        return Target(problems=(f"{keys.dsn} is no URL of {service}",))
    if not parts.password or (service == "postgresql" and not (parts.username and parts.path.strip("/"))):
        return Target(problems=(f"{keys.dsn} lacks {'the password' if not parts.password else 'user or database'}",))
    mode = (query.get("sslmode") or [""])[0] if service == "postgresql" else "on" * (parts.scheme == "rediss")
    if service == "postgresql" and not any_mode and mode not in SSL_MODES[SSL_MODES.index("require") :]:
        return Target(problems=(f"{keys.dsn} says sslmode={mode or '(nothing)'}, and require is wanted",))
    return Target(
        host=unquote(parts.hostname or ""),
        port=port,
        username=unquote(parts.username or ""),
        password=unquote(parts.password),
        database=unquote(parts.path.strip("/")),
        encryption=keys.encryption or mode,
    )


# ---------------------------------------------------------------------------- judgement


def judged(facts: SecretFacts, keys: Keys, service: str, sign_in: SignIn | None, create: str) -> Verdict:
    """The credentials of one service: there, well formed, and accepted from inside the namespace."""
    if wrong := not_there(facts, keys.secret, create):
        return wrong
    target = target_of(facts.held[keys.secret].data, keys, service)
    weaker = _weaker(target)
    asked = {"host": target.host, "port": target.port, "database": target.database, "encryption": target.encryption}
    seen = facts.evidence(keys.secret, {"wrong": list(target.problems), "asks": asked, "sign_in": _told(sign_in)})
    if target.problems:
        return failed(f"Secret {keys.secret}: {some(list(target.problems))}.", create, seen, weaker=weaker)
    if sign_in is None:
        return pending(f"Secret {keys.secret} is well formed; {facts.no_probe}", GIVE_IMAGE, seen)
    return _of_sign_in(sign_in, f"{target.host}:{target.port}", keys.secret, seen, weaker)


def _of_sign_in(sign_in: SignIn, where: str, secret: str, seen: Evidence, weaker: tuple[str, ...]) -> Verdict:
    if sign_in.state == "works":
        trust = f" ({sign_in.seen['encryption']})" if sign_in.seen.get("encryption") else ""
        return passed(f"The credentials of Secret {secret} are accepted at {where}{trust}.", seen, weaker=weaker)
    if sign_in.state == "refused":
        summary = f"The credentials of Secret {secret} do not work at {where}: {sign_in.cause}."
        return failed(summary, sign_in.remedy, seen, weaker=weaker)
    return unsaid(sign_in, where, seen)


def unsaid(sign_in: SignIn, where: str, seen: Evidence) -> Verdict:
    """What can be said where nothing is certain of the server itself."""
    if sign_in.state == "blocked":
        return inconclusive(f"{where} was not reached: {sign_in.cause}.", sign_in.remedy, seen)
    if sign_in.state == "missing":
        return pending(f"Nobody signed in at {where}: {sign_in.cause}.", sign_in.remedy, seen)
    return errored(f"The probe could not work: {sign_in.cause}.", sign_in.remedy, seen)


def no_way(found: SignIn, where: str, evidence: Evidence, *, own: bool) -> Verdict:
    """What is said where a server was not reached: red with the cause where that is certain."""
    if found.state == "refused" and own:
        return failed(f"{where} was not reached: {found.cause}.", found.remedy, evidence)
    if found.state in ("refused", "unseen"):
        return pending(f"{where} was not reached: {found.cause}.", found.remedy, evidence)
    return unsaid(found, where, evidence)


def _weaker(target: Target) -> tuple[str, ...]:
    asked = target.encryption in SSL_MODES and SSL_MODES.index(target.encryption) < SSL_MODES.index("require")
    return (f"sslmode {target.encryption} asked for, document require",) if asked else ()


def _told(sign_in: SignIn | None) -> dict[str, object]:
    return {} if sign_in is None else {"state": sign_in.state, "cause": sign_in.cause, **sign_in.seen}
