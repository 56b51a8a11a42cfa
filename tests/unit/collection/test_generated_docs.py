# The generated pages are up to date, every control has its part, and links lead to something that is there.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

from ansible_collections.bytebot.production.plugins.plugin_utils import catalogue
from ansible_collections.bytebot.production.plugins.plugin_utils.record import derived

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
GENERATE = ROOT / "scripts" / "generate_docs.py"
KNOWN = catalogue.load().controls
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
ANCHOR = re.compile(r'^<a id="(?P<id>[^"]+)"></a>$', re.MULTILINE)
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_docs", GENERATE)
    assert spec
    assert spec.loader
    module, path = importlib.util.module_from_spec(spec), list(sys.path)
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path[:] = path
    return module


@pytest.fixture(scope="module")
def pages(generator: ModuleType) -> Mapping[str, str]:
    found: Mapping[str, str] = generator.wanted()
    return found


def test_every_generated_page_is_up_to_date(generator: ModuleType, pages: dict[str, str]) -> None:
    assert generator.stale(pages) == [], "run scripts/generate_docs.py"


def test_the_same_source_gives_the_same_pages(generator: ModuleType, pages: Mapping[str, str]) -> None:
    assert generator.wanted() == pages


def test_old_missing_and_left_over_pages_are_named_and_mended(generator: ModuleType, tmp_path: Path) -> None:
    wanted = {"controls/a.md": "A\n", "modules/b.md": "B\n", "c.md": "C\n"}
    assert generator.write(wanted, tmp_path) == sorted(wanted)
    assert generator.stale(wanted, tmp_path) == []
    (tmp_path / "c.md").write_text("other")
    (tmp_path / "modules" / "b.md").unlink()
    (tmp_path / "controls" / "gone.md").write_text("G")
    (tmp_path / "by-hand.md").write_text("H")
    assert generator.stale(wanted, tmp_path) == ["c.md", "controls/gone.md", "modules/b.md"]
    generator.write(wanted, tmp_path)
    assert generator.stale(wanted, tmp_path) == []
    assert not (tmp_path / "controls" / "gone.md").exists()
    assert (tmp_path / "by-hand.md").exists()


def test_the_command_says_what_is_old(generator: ModuleType, pages: dict[str, str]) -> None:
    done = subprocess.run([sys.executable, str(GENERATE), "--check"], capture_output=True, text=True, check=False)
    old = generator.stale(pages)
    assert done.returncode == (1 if old else 0), done.stderr
    assert all(f"docs/{name}" in done.stdout for name in old)


def test_every_page_says_that_it_is_generated_and_by_what(pages: Mapping[str, str]) -> None:
    silent = [name for name, text in pages.items() if "scripts/generate_docs.py" not in text[:600]]
    assert silent == []


def test_every_control_has_its_part_and_its_line(pages: Mapping[str, str]) -> None:
    parts = {id_: name for name, text in pages.items() if name.startswith("controls/") for id_ in ANCHOR.findall(text)}
    assert parts == {id_: f"controls/{id_.partition('.')[0]}.md" for id_ in KNOWN}
    for id_, name in parts.items():
        assert f"\n### {id_}\n" in pages[name]
        assert f"[`{id_}`]({Path(name).name}#{id_})" in pages["controls/README.md"]


def test_what_is_settled_says_by_which_module_and_how_to_look_and_mend(pages: Mapping[str, str]) -> None:
    settled = [
        part
        for name, text in pages.items()
        if name.startswith("controls/")
        for part in text.split('<a id="')[1:]
        if "| Settled by | [" in part
    ]
    assert len(settled) >= 12
    assert [part.partition('"')[0] for part in settled if "**What is observed:**" not in part] == []
    written = [part for part in settled if part.startswith("deployment.")]
    assert [part.partition('"')[0] for part in written if "**By hand**" not in part] == []
    assert [part.partition('"')[0] for part in written if "**How to mend it**" not in part] == []


def test_what_sums_up_others_is_settled_by_the_record(pages: Mapping[str, str]) -> None:
    for id_ in derived.CONTROLS:
        part = pages[f"controls/{id_.partition('.')[0]}.md"].partition(f'<a id="{id_}">')[2].partition('<a id="')[0]
        assert "| Settled by | the record, [from others](../go-live.md#controls-that-sum-up-others) |" in part, id_
    assert "nothing yet" not in pages["controls/README.md"]


def test_the_entrance_counts_what_is_settled_as_the_pages_do(pages: Mapping[str, str]) -> None:
    index, entrance = pages["controls/README.md"], (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[.+\]\(\w+\.md\) \| \d+ \| (\d+) \|$", index, re.MULTILINE)
    settled = sum(map(int, rows))
    signed = len(KNOWN) - settled
    assert f"settle {settled} of the {len(KNOWN)} items" in entrance
    assert f"settle {settled} of them, and people [sign](../statements.md) for the other {signed}" in index
    assert sum(one.confirms for one in KNOWN.values()) == 12, "the entrance says twelve"


def test_nobody_is_told_to_ignore_a_certificate(pages: Mapping[str, str]) -> None:
    ignoring = re.compile(r"curl\b[^\n]*\s(-k|--insecure)\b|insecure-skip-tls-verify")
    assert [name for name, text in pages.items() if name.startswith("controls/") and ignoring.search(text)] == []


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda path: str(path.relative_to(DOCS)))
def test_links_lead_to_something(page: Path) -> None:
    for target in LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8"))):
        name, _, part = target.partition("#")
        if "://" in name or target.startswith("mailto:"):
            continue
        there = (page.parent / name).resolve() if name else page
        assert there.exists(), f"{page.name}: {target}"
        assert there.is_relative_to(ROOT), f"{page.name}: {target}"
        if part and there.suffix == ".md":
            assert part in _parts(there), f"{page.name}: {target}"


def _parts(page: Path) -> set[str]:
    """What a link may point to in a page: its anchors, and its headings as GitHub names them."""
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {*ANCHOR.findall(text), *(re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in headings)}
