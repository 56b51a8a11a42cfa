# Images: the same content has the same digest, and only changed layers are built again.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sandbox.build.images import Image, ImageStore, compress, image_config
from sandbox.build.layers import DebianRoot, User, write_tree
from sandbox.progress import Progress
from sandbox.settings import Settings


@dataclass(frozen=True)
class Text:
    """A layer with one file; counts how often it is written."""

    name: str
    text: str
    written: list[str] = field(default_factory=list, compare=False)

    def key(self, settings: Settings) -> str:
        return self.text

    def write(self, settings: Settings, tar: Path, log: Path) -> None:
        self.written.append(self.text)
        folder = tar.with_suffix(".folder")
        folder.mkdir(exist_ok=True)
        (folder / "file").write_text(self.text)
        write_tree(tar, folder, "opt/app")


@pytest.fixture
def store(settings: Settings) -> ImageStore:
    return ImageStore(settings)


def build(store: ImageStore, *images: Image) -> None:
    store.build(Progress(out=io.StringIO()), images)


def blob(store: ImageStore, image: Image, digest: str) -> Any:
    folder = store.settings.images / "layouts" / image.reference.replace(":", "_")
    data = (folder / "blobs/sha256" / digest.removeprefix("sha256:")).read_bytes()
    assert hashlib.sha256(data).hexdigest() == digest.removeprefix("sha256:")
    return data


def test_the_layout_leads_from_index_to_every_layer(store: ImageStore) -> None:
    image = Image("app", "1", (Text("base", "a"), Text("top", "b")), entrypoint=("run",), user="1000:1000")
    build(store, image)
    manifest = json.loads(blob(store, image, store.digest(image)))
    config = json.loads(blob(store, image, manifest["config"]["digest"]))
    layers = [blob(store, image, layer["digest"]) for layer in manifest["layers"]]
    assert [layer["size"] for layer in manifest["layers"]] == [len(layer) for layer in layers]
    plain = [gzip.decompress(layer) for layer in layers]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(tar).hexdigest()}" for tar in plain]
    with tarfile.open(fileobj=io.BytesIO(plain[1])) as tar:
        assert tar.getnames() == ["opt", "opt/app", "opt/app/file"]
    assert (config["config"]["Entrypoint"], config["config"]["User"]) == (["run"], "1000:1000")
    assert (config["os"], config["architecture"]) == ("linux", "amd64")


def test_same_content_same_digest_and_no_second_build(store: ImageStore) -> None:
    layer = Text("base", "a")
    image = Image("app", "1", (layer,))
    build(store, image)
    first = store.digest(image)
    build(store, image)
    assert store.digest(image) == first
    assert layer.written == ["a"]


def test_only_the_changed_layer_is_built_again(store: ImageStore) -> None:
    base, old, new = Text("base", "a"), Text("source", "b"), Text("source", "c")
    build(store, Image("app", "1", (base, old)))
    first = store.digest(Image("app", "1", (base, old)))
    build(store, Image("app", "1", (base, new)))
    assert store.digest(Image("app", "1", (base, new))) != first
    assert (base.written, old.written, new.written) == (["a"], ["b"], ["c"])


def test_old_blobs_leave_the_layout(store: ImageStore, settings: Settings) -> None:
    build(store, Image("app", "1", (Text("source", "b"),)))
    build(store, Image("app", "1", (Text("source", "c"),)))
    assert len(list((settings.images / "layouts/app_1/blobs/sha256").iterdir())) == 3


def test_two_versions_of_one_content_differ_and_share_their_layer(store: ImageStore) -> None:
    layer = Text("base", "a")
    one, two = (Image("app", tag, (layer,), env=(("APP_VERSION", tag),)) for tag in ("1", "2"))
    build(store, one, two)
    assert store.digest(one) != store.digest(two)
    assert layer.written == ["a"]


def test_environment_and_labels_are_in_the_configuration() -> None:
    image = Image("app", "1", (), env=(("A", "b"),), labels=(("l", "m"),), stop_signal="SIGINT", folder="/opt")
    config = image_config(image, [])["config"]
    assert "A=b" in config["Env"]
    assert any(entry.startswith("PATH=/usr/local/bin:") for entry in config["Env"])
    assert (config["Labels"], config["StopSignal"], config["WorkingDir"]) == ({"l": "m"}, "SIGINT", "/opt")
    assert "User" not in config


def test_trees_without_times_and_owners_are_equal(tmp_path: Path) -> None:
    sums = []
    for name in ("one", "two"):
        folder = tmp_path / name
        (folder / "b").mkdir(parents=True)
        (folder / "__pycache__").mkdir()
        (folder / "__pycache__" / f"{name}.pyc").write_text(name)
        for file in ("b/y", "a") if name == "one" else ("a", "b/y"):
            (folder / file).write_text(file)
        write_tree(tmp_path / f"{name}.tar", folder, "opt")
        sums.append((tmp_path / f"{name}.tar").read_bytes())
    assert sums[0] == sums[1]


def test_compression_counts_what_it_writes(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"x" * 3_000_000)
    facts = compress(tmp_path / "t", tmp_path / "g")
    packed = (tmp_path / "g").read_bytes()
    assert facts["size"] == len(packed)
    assert facts["digest"] == f"sha256:{hashlib.sha256(packed).hexdigest()}"
    assert facts["diff_id"] == f"sha256:{hashlib.sha256(gzip.decompress(packed)).hexdigest()}"


def test_a_debian_layer_has_its_users_before_the_packages() -> None:
    command = DebianRoot("db", ("postgresql-15",), users=(User("postgres", 170, "/var/lib/pg"),)).command()
    assert "--include=postgresql-15" in command
    assert any("postgres:x:170:170::/var/lib/pg" in word and word.startswith("--essential-hook=") for word in command)
