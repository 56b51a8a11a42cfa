# Which chart it is: the same for folder and archive, another one for any change of a name or a content.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.helm.chart import chart_digest
from ansible_collections.bytebot.production.plugins.module_utils.helm.ignore import Ignore


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    for name, text in (("Chart.yaml", "name: shop\n"), ("templates/a.yaml", "a"), ("charts/sub/values.yaml", "b")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_an_archive_is_the_same_chart_as_its_folder(chart: Path) -> None:
    archive = chart.parent / "shop-1.0.0.tgz"
    with tarfile.open(archive, "w:gz") as made:
        made.add(chart, "shop")
    assert chart_digest(str(archive)) == chart_digest(str(chart))


def test_what_helm_rewrites_or_leaves_out_does_not_count(chart: Path) -> None:
    same = chart_digest(str(chart))
    (chart / "Chart.yaml").write_text("# a comment\nname: 'shop'\nkeywords: []\nunknown: 1\n")
    (chart / "templates" / ".hidden.swp").write_text("x")
    assert chart_digest(str(chart)) == same
    (chart / "Chart.yaml").write_text("name: shop\nversion: 2.0.0\n")
    assert chart_digest(str(chart)) != same


@pytest.mark.parametrize(
    ("rules", "kept"),
    [
        ("", ["a.txt", "docs/a.txt", "docs/deep/b.md"]),
        ("# *.txt\n\n", ["a.txt", "docs/a.txt", "docs/deep/b.md"]),
        ("*.txt", ["docs/deep/b.md"]),
        ("/*.txt", ["docs/a.txt", "docs/deep/b.md"]),
        ("docs/*", ["a.txt"]),
        ("docs/*.txt", ["a.txt", "docs/deep/b.md"]),
        ("deep/", ["a.txt", "docs/a.txt"]),
        ("a.txt/", ["a.txt", "docs/a.txt", "docs/deep/b.md"]),
        ("[a-c].txt", ["docs/deep/b.md"]),
        ("[^a].*", ["a.txt", "docs/a.txt"]),
        ("?.txt", ["docs/deep/b.md"]),
        (r"\a.txt", ["docs/deep/b.md"]),
        ("**/b.md", ["a.txt", "docs/a.txt", "docs/deep/b.md"]),
    ],
)
def test_helmignore(rules: str, kept: list[str]) -> None:
    assert Ignore(rules).kept(["a.txt", "docs/a.txt", "docs/deep/b.md", "templates/.hidden"]) == kept


def test_a_packed_subchart_is_the_same_as_its_folder(chart: Path) -> None:
    (chart / "charts" / "sub" / "Chart.yaml").write_text("name: sub\nversion: 1.0.0\n")
    same = chart_digest(str(chart))
    with tarfile.open(chart / "charts" / "sub-1.0.0.tgz", "w:gz") as made:
        made.add(chart / "charts" / "sub", "sub")
    shutil.rmtree(chart / "charts" / "sub")
    assert chart_digest(str(chart)) == same


def test_any_change_is_another_chart(chart: Path) -> None:
    found = {chart_digest(str(chart))}
    (chart / "charts" / "sub" / "values.yaml").write_text("c")
    found.add(chart_digest(str(chart)))
    (chart / "templates" / "a.yaml").rename(chart / "templates" / "b.yaml")
    found.add(chart_digest(str(chart)))
    (chart / "templates" / "b.yaml").unlink()
    found.add(chart_digest(str(chart)))
    assert len(found) == 4


@pytest.mark.parametrize("content", [None, b"", b"no archive"])
def test_what_is_no_chart_is_one_sentence(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "shop.tgz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        chart_digest(str(path))
