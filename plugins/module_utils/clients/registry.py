# Asks a container registry (OCI distribution specification 1.1) about an image, and for what is attached to it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode, urlsplit

from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer, Http
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CredentialsRefused,
    NotThere,
    Unreachable,
)

DOCKER_HUB = "docker.io"
_ADDRESSES = {DOCKER_HUB: "https://registry-1.docker.io"}
_OCI, _DOCKER = "application/vnd.oci.image", "application/vnd.docker.distribution"
_ACCEPT = ", ".join(
    (
        f"{_OCI}.index.v1+json",
        f"{_OCI}.manifest.v1+json",
        f"{_DOCKER}.manifest.list.v2+json",
        f"{_DOCKER}.manifest.v2+json",
    )
)
_REFERENCE = re.compile(r"(?P<path>[^@]+?)(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@(?P<digest>[a-z0-9]+:[0-9a-f]{32,}))?$")
_REDIRECTS = 3
_REFERRERS = 50  # that are looked at


@dataclass(frozen=True, slots=True)
class Image:
    """An image as a container names it, taken apart."""

    registry: str
    repository: str
    reference: str

    @classmethod
    def of(cls, text: str) -> Image | None:
        """None where a text names no image. A name without a registry is Docker Hub's."""
        found = _REFERENCE.match(text.strip())
        if found is None:
            return None
        first, slash, rest = found["path"].partition("/")
        own = bool(slash) and ("." in first or ":" in first or first == "localhost")
        registry, repository = (first, rest) if own else (DOCKER_HUB, found["path"])
        if registry == DOCKER_HUB and "/" not in repository:
            repository = f"library/{repository}"
        return cls(registry, repository, found["digest"] or found["tag"] or "latest")


@dataclass(frozen=True, slots=True)
class Registry:
    """How one registry is reached.

    :param name: as images name it; :param url: its address, where that is another.
    """

    name: str
    url: str = ""
    ca_file: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    architecture: str = "amd64"

    def user_of(self, image: Image) -> str:
        """The user in an image's configuration (OCI image specification, ``config.User``); empty for root.

        :raises CollectionError: the registry cannot be reached, does not know the image, or refuses who asks.
        """
        base = self.url or _ADDRESSES.get(self.name, f"https://{self.name}")
        http = Http(base, [urlsplit(base).netloc], ca_file=self.ca_file)
        manifest = self._json(http, image, f"manifests/{image.reference}")
        if listed := manifest.get("manifests"):
            manifest = self._json(http, image, f"manifests/{self._own(listed)}")
        digest = str((manifest.get("config") or {}).get("digest"))
        return str((self._json(http, image, f"blobs/{digest}").get("config") or {}).get("User") or "")

    def attached(self, image: Image, digest: str, kinds: Iterable[str], most: int) -> list[tuple[str, bytes]]:
        """What is attached to an image as its referrers: the digest of each, and its first layer, which is JSON.

        :param kinds: words of which one stands in the type of what is taken; :param most: bytes of one.
        :raises CollectionError: the registry cannot be asked, or has no list of referrers.
        """
        base = self.url or _ADDRESSES.get(self.name, f"https://{self.name}")
        http = Http(base, [urlsplit(base).netloc], ca_file=self.ca_file, body_cap=most)
        wanted = tuple(kinds)
        found: list[tuple[str, bytes]] = []
        for one in (self._json(http, image, f"referrers/{digest}").get("manifests") or [])[:_REFERRERS]:
            kind = str(one.get("artifactType") or "").lower()
            if not any(word in kind for word in wanted):
                continue
            layers = self._json(http, image, f"manifests/{one.get('digest')}").get("layers") or []
            if layers:
                blob = self._json(http, image, f"blobs/{layers[0].get('digest')}")
                found.append((str(one.get("digest")), json.dumps(blob).encode()))
        return found

    def _own(self, listed: list[Mapping[str, Any]]) -> str:
        """The manifest of this architecture among those of an index, or else the first."""
        wanted = ("linux", self.architecture)
        platforms = [one.get("platform") or {} for one in listed]
        fitting = [
            one for one, of in zip(listed, platforms, strict=True) if (of.get("os"), of.get("architecture")) == wanted
        ]
        return str((fitting or listed)[0]["digest"])

    def _json(self, http: Http, image: Image, what: str) -> dict[str, Any]:
        path = f"/v2/{image.repository}/{what}"
        headers = {"Accept": _ACCEPT, **self._basic()}
        answer = http.get(path, headers=headers, follow=_REDIRECTS)
        if answer.status == HTTPStatus.UNAUTHORIZED and (token := self._token(answer)):
            answer = http.get(path, headers={**headers, "Authorization": f"Bearer {token}"}, follow=_REDIRECTS)
        return self._read(answer, image)

    def _read(self, answer: Answer, image: Image) -> dict[str, Any]:
        where = f"Registry {self.name}"
        if answer.failure:
            raise Unreachable(f"{where} cannot be asked for {image.repository}: {answer.failure.sentence}.")
        if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise CredentialsRefused(f"{where} does not show {image.repository} to this account ({answer.status}).")
        if answer.status == HTTPStatus.NOT_FOUND:
            raise NotThere(f"{where} has no {image.repository} of {image.reference}.")
        try:
            parsed = json.loads(answer.body) if answer.status == HTTPStatus.OK else None
        except ValueError:
            parsed = None
        if not isinstance(parsed, dict):
            raise Unreachable(f"{where} answers {answer.status} and no JSON to a question about {image.repository}.")
        return parsed

    def _basic(self) -> dict[str, str]:
        if not self.username:
            return {}
        return {"Authorization": "Basic " + b64encode(f"{self.username}:{self.password}".encode()).decode()}

    def _token(self, answer: Answer) -> str:
        """A token from where the registry says that one is had; empty where it does not say."""
        told = answer.headers.get("www-authenticate", "")
        fields = dict(re.findall(r'(\w+)="([^"]*)"', told))
        realm = fields.pop("realm", "")
        if not told.lower().startswith("bearer") or not realm:
            return ""
        asked = {name: fields[name] for name in ("service", "scope") if name in fields}
        http = Http(realm, [urlsplit(realm).netloc], ca_file=self.ca_file)
        got = http.get(f"{realm}?{urlencode(asked)}", headers=self._basic())
        try:
            parsed = json.loads(got.body) if got.status == HTTPStatus.OK else None
        except ValueError:
            return ""
        return str(parsed.get("token") or parsed.get("access_token") or "") if isinstance(parsed, dict) else ""
