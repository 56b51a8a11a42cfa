# Fetches documents, from a folder or from allowed hosts, within bounds of bytes and time, and follows their links.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer, Http, shown_url
from ansible_collections.bytebot.production.plugins.module_utils.document_text import (
    FORMATS,
    HTML,
    MARKDOWN,
    PDF,
    Text,
    parse,
)
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError, LibraryMissing

BYTES = 4 * 1024 * 1024  # of one document
FILES = 200  # of one folder
LINKS = 500  # followed in all
PATIENCE_S = 60.0  # for all links together
FOLLOWED = 3  # redirects
_GONE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_WEB = ("http://", "https://")
_TYPES = {"text/html": HTML, "application/xhtml+xml": HTML, "text/markdown": MARKDOWN, "application/pdf": PDF}


@dataclass(frozen=True, slots=True)
class Fetched:
    """What is at a place; ``absent`` where it is not there, and ``problem`` where it cannot be read."""

    where: str
    content: bytes = b""
    kind: str = ""
    problem: str = ""
    absent: bool = False

    @property
    def sha256(self) -> str:
        """Of the bytes that were read."""
        return hashlib.sha256(self.content).hexdigest() if self.content else ""


@dataclass(frozen=True, slots=True)
class Followed:
    """What following the links of a document came to."""

    count: int = 0
    dead: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()
    foreign: int = 0


@dataclass
class Documents:
    """Reads each place once.

    :param http: makes the client of a URL; raises where its host is not allowed. :param headers: what signs in there,
        by the start of the URL. :param formats: how the names of files in a folder end that are taken.
    :param most: bytes of one file.
    """

    folder: str
    http: Callable[[str], Http]
    headers: Callable[[str], dict[str, str]] = lambda _url: {}
    clock: Callable[[], float] = time.monotonic
    formats: Collection[str] = tuple(FORMATS)
    most: int = BYTES
    _texts: dict[str, Text | None] = field(default_factory=dict)
    _answers: dict[str, Answer | str] = field(default_factory=dict)
    _followed: int = 0
    _until: float = 0.0

    def places(self, where: str) -> list[str]:
        """The documents at a place: those in a folder, or the one that is named."""
        if where.lower().startswith(_WEB):
            return [where]
        path = self._path(where)
        if not path.is_dir():
            return [where]
        found = sorted(one for one in path.rglob("*") if one.suffix.lower() in self.formats and one.is_file())
        if len(found) > FILES:
            raise InputError(f"{where} has {len(found)} documents, at most {FILES} are read: name a smaller folder.")
        return [str(PurePosixPath(where) / one.relative_to(path).as_posix()) for one in found]

    def fetch(self, where: str) -> Fetched:
        """What is at one place."""
        if where.lower().startswith(_WEB):
            return self._from_web(where)
        path = self._path(where)
        try:
            if path.stat().st_size > self.most:
                return Fetched(where, problem=f"is longer than the {self.most} bytes that are read")
            content = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return Fetched(where, problem="is not there", absent=True)
        except OSError as exc:
            return Fetched(where, problem=f"cannot be read ({(exc.strerror or 'error').lower()})")
        if not content.strip():
            return Fetched(where, problem="is empty", absent=True)
        return Fetched(where, content, FORMATS.get(path.suffix.lower(), MARKDOWN))

    def text(self, fetched: Fetched) -> tuple[Text | None, str]:
        """The document, or why it cannot be read as one."""
        if fetched.problem:
            return None, fetched.problem
        try:
            text = parse(fetched.content, fetched.kind, fetched.where)
        except LibraryMissing:
            return None, "is a PDF, and the Python package pypdf is not installed here"
        except InputError as exc:
            return None, f"cannot be read: {exc.sentence.rstrip('.')}"
        self._texts[fetched.where] = text
        return text, ""

    def _path(self, where: str) -> Path:
        path = Path(where).expanduser()
        if not path.is_absolute() and not self.folder:
            raise InputError(f"{where} is a relative path: name the folder that it is in (bytebot_documents_folder).")
        return path if path.is_absolute() else Path(self.folder).expanduser() / path

    def _from_web(self, url: str) -> Fetched:
        shown = shown_url(url)
        answer = self.http(url).get(url, headers=self.headers(url), follow=FOLLOWED)
        if answer.failure:
            return Fetched(shown, problem=f"cannot be asked: {answer.failure.sentence.rstrip('.')}")
        if answer.status in _GONE:
            return Fetched(shown, problem=f"is not there ({answer.status})", absent=True)
        if answer.status != HTTPStatus.OK:
            return Fetched(shown, problem=f"answers {answer.status}")
        if not answer.body.strip():
            return Fetched(shown, problem="is empty", absent=True)
        said = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        suffix = PurePosixPath(urlsplit(url).path).suffix.lower()
        kind = FORMATS.get(suffix) or _TYPES.get(said, MARKDOWN)
        if kind not in (HTML, MARKDOWN):
            return Fetched(shown, problem="is a PDF, which is read from a folder only")
        return Fetched(shown, answer.body.encode(), kind)

    # ------------------------------------------------------------------ links

    def follow(self, where: str, text: Text) -> Followed:
        """Whether the links of a document lead somewhere; hosts that may not be asked are counted, and not asked."""
        self._until = self._until or self.clock() + PATIENCE_S
        dead, unsure, foreign, count = [], [], 0, 0
        for link in text.links:
            if not link or urlsplit(link).scheme.lower() in ("mailto", "tel", "data", "javascript"):
                continue
            count += 1
            self._followed += 1
            if self._followed > LINKS or self.clock() > self._until:
                unsure.append("it has more links than are followed in one run")
                break
            kind, told = self._one(where, text, link)
            if kind == "dead":
                dead.append(told)
            elif kind == "unsure":
                unsure.append(told)
            foreign += kind == "foreign"
        return Followed(count, tuple(dead), tuple(dict.fromkeys(unsure)), foreign)

    def _one(self, where: str, text: Text, link: str) -> tuple[str, str]:
        target, anchor = urldefrag(link)
        shown = shown_url(link) if "://" in link else link
        if not target:
            there = not anchor or unquote(anchor) in text.anchors or text.kind == PDF
            return ("", "") if there else ("dead", f"its link #{anchor} leads to no heading")
        if where.lower().startswith(_WEB) and "://" not in target:
            target = urljoin(where, target)
        if urlsplit(target).scheme:
            return self._of_web(target, shown)
        return self._of_file(where, unquote(target), anchor, link)

    def _of_file(self, where: str, target: str, anchor: str, shown: str) -> tuple[str, str]:
        root = Path(self.folder).expanduser() if target.startswith("/") else self._path(where).parent
        path = root / target.lstrip("/")
        if not path.exists():
            return "dead", f"its link {shown} leads to nothing"
        if not anchor or path.suffix.lower() not in FORMATS or path.suffix.lower() == ".pdf" or not path.is_file():
            return "", ""
        key = str(path)
        if key not in self._texts:
            self._texts[key] = self.text(self.fetch(key))[0]
        other = self._texts[key]
        if other is not None and unquote(anchor) not in other.anchors:
            return "dead", f"its link {shown} leads to no heading there"
        return "", ""

    def _of_web(self, url: str, shown: str) -> tuple[str, str]:
        if not url.lower().startswith(_WEB):
            return "foreign", ""
        if url not in self._answers:
            try:
                self._answers[url] = self.http(url).get(url, headers=self.headers(url), follow=FOLLOWED)
            except InputError as exc:
                self._answers[url] = exc.sentence
        answer: Any = self._answers[url]
        if isinstance(answer, str):
            return "foreign", ""
        if answer.failure:
            if answer.failure.kind == "too_large":
                return "", ""  # it is there
            return "unsure", f"its link {shown} could not be followed: {answer.failure.sentence.rstrip('.')}"
        if answer.status in _GONE:
            return "dead", f"its link {shown} leads to nothing ({answer.status})"
        return (
            ("unsure", f"its link {shown} answers {answer.status}")
            if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR
            else ("", "")
        )
