# Reads documents into one form: headings with what stands below them, links, anchors, commands, and who keeps them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError, LibraryMissing
from ansible_collections.bytebot.production.plugins.module_utils.yaml_text import load

MARKDOWN, HTML, PDF = "markdown", "html", "pdf"
FORMATS: Mapping[str, str] = {".md": MARKDOWN, ".markdown": MARKDOWN, ".html": HTML, ".htm": HTML, ".pdf": PDF}
MARKER = "bytebot.production:generated"  # stands in what was made from the live system, until people have completed it
_PDF_PAGES = 300
_HEADING_WORDS = 6  # a longer line of a PDF is text
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = frozenset({"p", "li", "td", "th", "dt", "dd", "blockquote", "pre", "tr", "div", *_HEADINGS})
_VOID = frozenset({"br", "hr", "img", "meta", "link", "input"})
_UNREAD = frozenset({"script", "style", "template", "noscript"})
_FRONT = re.compile(r"\A---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_ANCHOR = re.compile(r"<a\s+(?:id|name)=[\"']([^\"'>]+)[\"']\s*/?>(?:</a>)?")
# "Owner: Jane Roe" or "Last reviewed: 2026-10-01", as a line of its own or a row of a table.
_OWNER = re.compile(r"(?im)^\W*(?:document )?owner\s*[:|]\s*(\S[^|\n]*)")
_REVIEWED = re.compile(r"(?im)^\W*(?:last )?(?:reviewed|review date)(?: on)?\s*[:|]\s*(\S[^|\n]*)")
_OWNERS = ("owner", "owners", "maintainer")
_REVIEWS = ("reviewed", "last_reviewed", "last-reviewed", "review_date", "last_review")


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands below it, up to the next heading of its level or above.

    :param chain: the headings above it, its own last; :param words: how many words stand below it, code included.
    """

    title: str
    level: int
    chain: tuple[str, ...]
    words: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, a list item, a row or a heading: its prose, and what stands in it as code.

    :param chain: the headings that it stands below.
    """

    text: str
    codes: tuple[str, ...] = ()
    chain: tuple[str, ...] = ()
    heading: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """One document.

    :param meta: what stands in its front matter, or in the meta elements of a page.
    :param commands: lines of its code; :param prose: all but code; :param marked: made by a program, and not completed.
    """

    kind: str
    title: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)
    sections: tuple[Section, ...] = ()
    blocks: tuple[Block, ...] = ()
    links: tuple[str, ...] = ()
    anchors: frozenset[str] = frozenset()
    commands: tuple[str, ...] = ()
    prose: str = ""
    whole: str = ""
    marked: bool = False

    @property
    def owner(self) -> str:
        """Who keeps it; empty where nothing says so."""
        return self._said(_OWNERS, _OWNER)

    @property
    def reviewed(self) -> str:
        """When somebody last looked at it, as it is written there; empty where nothing says so."""
        return self._said(_REVIEWS, _REVIEWED)

    def _said(self, keys: Sequence[str], line: re.Pattern[str]) -> str:
        for key in keys:
            if key in self.meta:
                value = self.meta[key]
                return ", ".join(map(str, value)) if isinstance(value, list) else str(value or "").strip()
        found = line.search(self.prose)
        return found.group(1).strip(" *_|") if found else ""


def parse(content: bytes, kind: str, where: str) -> Text:
    """A document from its bytes.

    :param where: for errors. :raises InputError: it cannot be read as what it is said to be.
    """
    if kind == PDF:
        return _of_pdf(content, where)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise InputError(f"{where} is no UTF-8 text (byte {exc.start}).") from exc
    text = text.replace("\r\n", "\n")
    return _of_markdown(text, where) if kind == MARKDOWN else _of_html(text)


def slug(title: str) -> str:
    """The anchor that forges make of a heading: small letters, hyphens for blanks, and no other signs."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


# ---------------------------------------------------------------------------- by format


def _of_markdown(text: str, where: str) -> Text:
    front = _FRONT.match(text)
    meta: Mapping[str, Any] = {}
    if front:
        loaded = load(front.group(1), f"The front matter of {where}")
        meta = loaded if isinstance(loaded, Mapping) else {}
        text = text[front.end() :]
    marked = MARKER in text
    ids = frozenset(_ANCHOR.findall(text))
    bare = _ANCHOR.sub("", _COMMENT.sub("", text))
    reader = _Reader()
    reader.feed(_markdown().render(bare))
    reader.close()
    return reader.told(MARKDOWN, meta, marked=marked, anchors=ids | _slugs(reader.titles))


def _of_html(text: str) -> Text:
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader.told(HTML, reader.meta, marked=MARKER in text, anchors=frozenset(reader.ids))


def _of_pdf(content: bytes, where: str) -> Text:
    """Of a PDF the text alone is read: a line of few words without a full stop may be a heading."""
    try:
        pypdf: Any = importlib.import_module("pypdf")
    except ImportError as exc:
        raise LibraryMissing("pypdf", str(exc)) from exc
    try:
        pages = list(pypdf.PdfReader(io.BytesIO(content)).pages)[:_PDF_PAGES]
        text = "\n".join(str(page.extract_text() or "") for page in pages)
    except Exception as exc:  # a broken file raises all kinds
        raise InputError(f"{where} cannot be read as PDF ({type(exc).__name__}).") from exc
    reader = _Reader()
    for line in text.splitlines():
        words = line.split()
        short = 0 < len(words) <= _HEADING_WORDS and not line.rstrip().endswith((".", ",", ";")) and ":" not in line
        (reader.heading if short and not reader.recent_heading else reader.paragraph)(" ".join(words))
    return reader.told(PDF, {}, marked=MARKER in text, anchors=frozenset())


def _markdown() -> Any:
    try:
        from markdown_it import MarkdownIt
    except ImportError as exc:
        raise LibraryMissing("markdown-it-py", str(exc)) from exc
    return MarkdownIt("commonmark", {"html": False}).enable("table")


def _slugs(titles: Sequence[str]) -> frozenset[str]:
    """The anchors of headings; a second one of the same name gets a number."""
    seen: dict[str, int] = {}
    found = set()
    for title in titles:
        base = slug(title)
        number = seen.get(base, 0)
        seen[base] = number + 1
        found.add(f"{base}-{number}" if number else base)
    return frozenset(found)


# ---------------------------------------------------------------------------- the parts


@dataclass
class _Open:
    """A block that is being read."""

    tag: str
    text: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    """Collects the parts of a page; what Markdown becomes is read by the same rules."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.meta: dict[str, Any] = {}
        self.ids: set[str] = set()
        self.titles: list[str] = []
        self._links: list[str] = []
        self._blocks: list[Block] = []
        self._heads: list[tuple[str, int, int]] = []  # title, level, words that were read before it
        self._commands: list[str] = []
        self._prose: list[str] = []
        self._whole: list[str] = []
        self._words = 0
        self._open = _Open("")
        self._code: list[str] | None = None
        self._pre = False
        self._silent = 0
        self._title = ""

    # HTMLParser calls these

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._silent += tag in _UNREAD
        self.ids |= {given[name] for name in ("id", "name") if given.get(name) and (name == "id" or tag == "a")}
        if tag == "meta" and given.get("name"):
            self.meta[given["name"].lower()] = given.get("content", "")
        if link := given.get("href" if tag in ("a", "area") else "src" if tag == "img" else "none"):
            self._links.append(link.strip())
        if tag == "pre":
            self._end_block()
            self._pre, self._code = True, []
        elif tag == "code" and not self._pre:
            self._code = []
        elif tag in _BLOCKS:
            self._end_block()
            self._open = _Open(tag)
        elif tag == "br":
            self._open.text.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNREAD:
            self._silent = max(self._silent - 1, 0)
        elif tag == "pre" and self._pre:
            self._commands += "".join(self._code or []).splitlines()
            self._pre, self._code = False, None
        elif tag == "code" and not self._pre and self._code is not None:
            said = "".join(self._code).strip()
            self._open.codes.append(said)
            self._open.text.append(f"\x00{len(self._open.codes) - 1}\x00")
            self._code = None
        elif tag in _BLOCKS:
            self._end_block()

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        self._whole.append(data)
        if self._code is not None:
            self._words += len(data.split())
            self._code.append(data)
        else:
            self._open.text.append(data)

    # what PDF gives line by line

    @property
    def recent_heading(self) -> bool:
        """Whether the last thing read was a heading: of two short lines the second one is text."""
        return bool(self._blocks) and self._blocks[-1].heading

    def heading(self, text: str) -> None:
        self.paragraph(text, "h2")

    def paragraph(self, text: str, tag: str = "p") -> None:
        self._whole.append(f"{text}\n")
        self._open = _Open(tag, [text])
        self._end_block()

    def _end_block(self) -> None:
        block, self._open = self._open, _Open("")
        raw = "".join(block.text)
        self._whole.append("\n")
        prose = " ".join(re.sub("\x00\\d+\x00", " ", raw).split())
        shown = " ".join(re.sub("\x00(\\d+)\x00", lambda found: block.codes[int(found[1])], raw).split())
        if not shown:
            return
        if level := _HEADINGS.get(block.tag):
            self._heads.append((shown, level, self._words))
            self.titles.append(shown)
            self._title = self._title or shown
        else:
            self._words += len(prose.split())
        self._prose.append("\n".join(" ".join(re.sub("\x00\\d+\x00", " ", one).split()) for one in raw.splitlines()))
        self._blocks.append(Block(shown, tuple(block.codes), self._chain(), heading=bool(level)))

    def _chain(self) -> tuple[str, ...]:
        found: list[tuple[str, int]] = []
        for title, level, _before in self._heads:
            found = [one for one in found if one[1] < level]
            found.append((title, level))
        return tuple(title for title, _level in found)

    def _sections(self) -> Iterator[Section]:
        above: list[tuple[str, int]] = []
        for number, (title, level, before) in enumerate(self._heads):
            above = [*(one for one in above if one[1] < level), (title, level)]
            end = next((start for _title, other, start in self._heads[number + 1 :] if other <= level), self._words)
            yield Section(title, level, tuple(one[0] for one in above), end - before)

    def told(self, kind: str, meta: Mapping[str, Any], *, marked: bool, anchors: frozenset[str]) -> Text:
        """All that was read."""
        self._end_block()
        return Text(
            kind,
            self._title,
            dict(meta),
            tuple(self._sections()),
            tuple(self._blocks),
            tuple(dict.fromkeys(self._links)),
            anchors,
            (*self._commands, *(code for block in self._blocks for code in block.codes)),
            "\n".join(self._prose),
            "".join(self._whole),
            marked,
        )
