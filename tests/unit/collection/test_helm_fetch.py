# Where a chart comes from: what fits together, fetched once and privately, and refused where it is not the wanted one.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CommandFailed,
    InputError,
    Refused,
    Unreachable,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm.cli import Completed
from ansible_collections.bytebot.production.plugins.module_utils.helm.fetch import Source, chart_of
from tests.unit.collection.helm_fakes import FakeHelm

CHART = b"apiVersion: v2\nname: shop\nversion: 1.0.0\n"
REPOSITORY = "https://charts.example.com"


def archive(text: bytes = CHART) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        info = tarfile.TarInfo("shop/Chart.yaml")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
    return packed.getvalue()


class Registry:
    """A helm that pulls one archive."""

    def __init__(self, *contents: bytes) -> None:
        self.helm = FakeHelm(pull=self._pull, verify=Completed(0, "Signed by: somebody", ""))
        self.contents = contents

    def _pull(self) -> Completed:
        call = self.helm.calls[-1]
        folder = Path(call[call.index("--destination") + 1])
        for number, content in enumerate(self.contents):
            (folder / f"shop-{number}.tgz").write_bytes(content)
        return Completed(0, "", "")

    def get(self, folder: Path, **given: Any) -> Any:
        return chart_of(Source.checked(given), self.helm.cli(), str(folder))


def test_a_local_chart_needs_no_process_and_no_network(tmp_path: Path) -> None:
    (tmp_path / "Chart.yaml").write_bytes(CHART)
    registry = Registry()
    found = registry.get(tmp_path, chart=str(tmp_path))
    assert (found.path, found.archive_digest, list(found.digests())) == (str(tmp_path), "", ["chart"])
    assert registry.helm.calls == []


def test_a_chart_of_a_repository_is_fetched_into_a_private_folder(tmp_path: Path) -> None:
    registry = Registry(archive())
    found = registry.get(
        tmp_path, chart="shop", repository=REPOSITORY, version="1.0.0", verify=True, keyring=str(Path(__file__))
    )
    path = Path(found.path)
    assert path.parent.parent == tmp_path
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert registry.helm.calls[0][1:11] == [
        *("pull", "shop", "--destination", str(path.parent), "--repo", REPOSITORY, "--version", "1.0.0"),
        *("--verify", "--keyring"),
    ]
    assert found.archive_digest == hashlib.sha256(archive()).hexdigest()


def test_a_folder_and_its_archive_have_the_same_digest(tmp_path: Path) -> None:
    (tmp_path / "Chart.yaml").write_bytes(CHART)
    local = Registry().get(tmp_path, chart=str(tmp_path)).files_digest
    fetched = Registry(archive()).get(tmp_path, chart="oci://r.example.com/shop", version="1.0.0", chart_digest=local)
    assert fetched.files_digest == local


@pytest.mark.parametrize("prefix", ["", "sha256:"])
def test_the_archives_own_digest_pins_it_too(tmp_path: Path, prefix: str) -> None:
    digest = hashlib.sha256(archive()).hexdigest()
    chart = "oci://r.example.com/shop@sha256:" + "0" * 64
    registry = Registry(archive())
    registry.get(tmp_path, chart=chart, chart_digest=prefix + digest)
    assert "--version" not in registry.helm.calls[0]


def test_another_chart_than_the_wanted_one_is_refused(tmp_path: Path) -> None:
    wanted = Registry(archive()).get(tmp_path, chart="oci://r.example.com/shop", version="1").files_digest
    other = Registry(archive(CHART + b"description: other\n"))
    with pytest.raises(Refused, match=f"not the wanted one: chart_digest names {wanted}"):
        other.get(tmp_path, chart="oci://r.example.com/shop", version="1", chart_digest=wanted)


def test_a_local_archive_is_verified_by_helm(tmp_path: Path) -> None:
    path = tmp_path / "shop.tgz"
    path.write_bytes(archive())
    registry = Registry()
    registry.get(tmp_path, chart=str(path), verify=True)
    assert registry.helm.calls[0][1:3] == ["verify", str(path)]
    registry.helm.on["verify"] = Completed(1, "", "Error: openpgp: signature made by unknown entity\n")
    with pytest.raises(CommandFailed, match="signature made by unknown entity"):
        registry.get(tmp_path, chart=str(path), verify=True)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"chart": "shop", "repository": REPOSITORY}, "version is needed"),
        ({"chart": "oci://r/shop"}, "version is needed"),
        ({"chart": "./shop", "version": "1"}, "a folder or archive has its own"),
        ({"chart": "oci://r/shop", "repository": REPOSITORY, "version": "1"}, "names its registry itself"),
        ({"chart": "shop", "repository": "bitnami", "version": "1"}, "is the URL"),
        ({"chart": "shop", "repository": "https://me:canary@r", "version": "1"}, "holds no credentials"),
        ({"chart": "oci://me:canary@r/shop", "version": "1"}, "holds no credentials"),
        ({"chart": "./shop", "chart_digest": "abc"}, "64 hexadecimal digits"),
        ({"chart": "./shop", "keyring": "/no/such/keyring"}, "no keyring at"),
    ],
)
def test_what_does_not_fit_together_is_one_sentence(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as refused:
        Source.checked(given)
    assert "canary" not in refused.value.sentence


def test_a_registry_that_is_away_is_told_as_such(tmp_path: Path) -> None:
    registry = Registry()
    registry.helm.on["pull"] = Completed(1, "", "Error: dial tcp 10.0.0.1:443: connect: connection refused\n")
    with pytest.raises(Unreachable, match="helm pull cannot reach the chart's registry"):
        registry.get(tmp_path, chart="oci://r.example.com/shop", version="1")


@pytest.mark.parametrize("contents", [(), (archive(), archive())])
def test_a_pull_that_leaves_none_or_several_is_one_sentence(tmp_path: Path, contents: tuple[bytes, ...]) -> None:
    with pytest.raises(InputError, match=f"left {len(contents)} archives"):
        Registry(*contents).get(tmp_path, chart="oci://r.example.com/shop", version="1")
