# Reads one record of whatever system keeps it: by a GET of its REST API, or from a file that the system has exported.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlencode, urljoin, urlsplit, urlunsplit

from ansible_collections.bytebot.production.plugins.module_utils.argspec import Spec
from ansible_collections.bytebot.production.plugins.module_utils.argspec_services import LOGIN_ARGS, login_of
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Http, shown_url
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import (
    ABSENT,
    WRONG,
    Login,
    Service,
    Told,
)
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.yaml_text import load

After: TypeAlias = Callable[[Any], tuple[str, Any] | None]
NO_MORE = ("", "")
MOST_PAGES = 100
_PORTS = {"https": 443, "http": 80}
_BYTES = 4 * 1024 * 1024
_BEARER = "Bearer "
_LOGIN = ("token_file", "token_variable", "username", "password_file", "password_variable")
RECORD_ARGS: Spec = {
    **{name: LOGIN_ARGS[name] for name in _LOGIN},
    "url": {"type": "str"},
    "path": {"type": "path"},
    "token_prefix": {"type": "str", "default": _BEARER, "no_log": False},
    "accept": {"type": "str", "default": "application/json"},
}


def record_of(
    name: str, given: Mapping[str, Any], params: Mapping[str, Any], redactor: Redactor
) -> tuple[str, Told | None]:
    """Where a record is from, and what came back; None where nothing says where it is.

    :param given: the values of ``RECORD_ARGS``. :param params: the module's, with those of all services.
    :raises InputError: what is given does not fit together, or what signs in cannot be read.
    """
    if given["url"] and given["path"]:
        raise InputError(f"{name}: url and path exclude each other.")
    if given["path"]:
        return str(given["path"]), _from_file(Path(given["path"]), str(given["path"]))
    if not given["url"]:
        return "", None
    return shown_url(given["url"]), _service(name, given, params, redactor).json(given["url"])


def pages_of(
    name: str, given: Mapping[str, Any], params: Mapping[str, Any], redactor: Redactor, after: After
) -> tuple[str, list[Told]]:
    """Where a record is from, and each of its pages; the last is not ok where it could not be read to its end.

    :param after: what is given each page, and says by which parameter of the query and its value, or by which address,
        the next one is asked for; ``NO_MORE`` where none is wanted, None where at most the header ``Link`` says it.
    :raises InputError: as for ``record_of``.
    """
    if not given["url"] or given["path"]:
        source, told = record_of(name, given, params, redactor)
        if told and told.ok and after(told.data) not in (None, NO_MORE):
            told = Told(WRONG, None, "it is one page of several")
        return source, [told] if told else []
    service, url = _service(name, given, params, redactor), str(given["url"])
    pages: list[Told] = []
    asked: set[str] = set()
    while url:
        pages.append(service.json(url))
        asked.add(url)
        url, problem = _following(url, pages[-1], after) if pages[-1].ok else ("", "")
        if url and not problem:
            problem = _not_to_ask(str(given["url"]), url, asked)
        if problem:
            pages.append(Told(WRONG, None, problem, pages[-1].status))
            break
    return shown_url(given["url"]), pages


def _following(url: str, told: Told, after: After) -> tuple[str, str]:
    """The address of the page after one, empty where there is none; and why it is not known."""
    found = after(told.data)
    if found is None or found == NO_MORE:
        return ("" if found else told.more), ""
    parameter, value = found
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return "", "its next page is told neither by an address nor by a token"
    text = str(value)
    # A token may begin with a slash as well.
    if text.lower().startswith(("https://", "http://")) or (text.startswith(("/", "?")) and "?" in text):
        return urljoin(url, text), ""
    parts = urlsplit(url)
    others = [pair for pair in parts.query.split("&") if pair and pair.partition("=")[0] != parameter]
    return urlunsplit(parts._replace(query="&".join([*others, urlencode({parameter: text})]))), ""


def _not_to_ask(first: str, url: str, asked: Collection[str]) -> str:
    """Why a further page is not asked for: what signs in is for the place that was given alone."""
    if _origin(first) != _origin(url):
        return f"its next page is at {urlsplit(url).hostname or 'no host'}, which is not signed in to"
    if url in asked:
        return "its next page is one that was told before"
    return f"it has more than {MOST_PAGES} pages" if len(asked) >= MOST_PAGES else ""


def _origin(url: str) -> tuple[str, str | None, str | None, int | None]:
    """Where an address leads, and as whom; the usual port need not be named."""
    parts = urlsplit(url)
    return parts.scheme, parts.username, parts.hostname, parts.port or _PORTS.get(parts.scheme)


def _service(name: str, given: Mapping[str, Any], params: Mapping[str, Any], redactor: Redactor) -> Service:
    login = login_of(name, given, redactor)
    headers = {"Accept": given["accept"], **login.headers}
    if "Authorization" in headers and headers["Authorization"].startswith(_BEARER):
        headers["Authorization"] = given["token_prefix"] + headers["Authorization"].removeprefix(_BEARER)
    http = Http(
        given["url"],
        params["allowed_hosts"],
        ca_file=params["ca_file"] or "",
        resolve={host: str(address) for host, address in params["resolve"].items()},
        timeout_s=params["timeout"],
    )
    return Service(http, Login(headers))


def _from_file(path: Path, shown: str) -> Told:
    try:
        if path.stat().st_size > _BYTES:
            return Told(WRONG, None, f"it is longer than {_BYTES} bytes")
        return Told(data=load(path.read_text(encoding="utf-8"), shown))
    except FileNotFoundError:
        return Told(ABSENT, None, "there is no such file")
    except InputError as exc:
        return Told(WRONG, None, exc.sentence.rstrip("."))
    except (OSError, ValueError) as exc:
        return Told(WRONG, None, f"it cannot be read ({type(exc).__name__})")
