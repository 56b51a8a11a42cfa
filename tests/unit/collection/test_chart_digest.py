# Which chart it is: the same for folder and archive, another one for any change of a name or a content.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.helm.chart import chart_digest


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
