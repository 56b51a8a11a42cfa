# A few requests to an S3 API, signed as Amazon documents it (Signature Version 4), with the body's hash in the header.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True)
class Keys:
    """A user of the store; the region is part of what is signed."""

    access: str
    secret: str
    region: str = "us-east-1"


@dataclass(frozen=True)
class Request:
    """A request without a query; `path` is not yet quoted."""

    method: str
    host: str
    path: str
    body: bytes = b""

    @property
    def target(self) -> str:
        return quote(self.path, safe="/-_.~")


def headers(
    keys: Keys, request: Request, now: datetime.datetime, more: Mapping[str, str] | None = None
) -> dict[str, str]:
    """All headers of the request, the signature among them."""
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    digest = hashlib.sha256(request.body).hexdigest()
    sent = {"host": request.host, "x-amz-content-sha256": digest, "x-amz-date": stamp, **(more or {})}
    names = ";".join(sorted(sent))
    lines = "".join(f"{name}:{sent[name]}\n" for name in sorted(sent))
    asked = "\n".join([request.method, request.target, "", lines, names, digest])
    scope = f"{day}/{keys.region}/s3/aws4_request"
    text = "\n".join([ALGORITHM, stamp, scope, hashlib.sha256(asked.encode()).hexdigest()])
    key = f"AWS4{keys.secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"{ALGORITHM} Credential={keys.access}/{scope},SignedHeaders={names},Signature={signature}"
    return {**sent, "authorization": credential}
