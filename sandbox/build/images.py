# Builds images as OCI layouts on disk and pushes them to the sandbox's registry.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.build.layers import Layer
from sandbox.errors import SandboxError
from sandbox.files import put
from sandbox.host.netns import enter_command
from sandbox.probe import connect
from sandbox.progress import Progress
from sandbox.settings import Settings
from sandbox.shell import environment, run

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
# A fixed time: the same content must have the same digest, whenever it was built.
CREATED = "2026-01-01T00:00:00Z"
CHUNK = 1 << 20


@dataclass(frozen=True)
class Image:
    """An image of the sandbox's registry."""

    name: str
    tag: str
    layers: tuple[Layer, ...]
    entrypoint: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    user: str = ""
    folder: str = "/"
    stop_signal: str = ""
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def reference(self) -> str:
        return f"{self.name}:{self.tag}"


@dataclass(frozen=True)
class ImageStore:
    """Layers are cached by key; layouts share them by hard links."""

    settings: Settings

    def build(self, progress: Progress, images: Iterable[Image]) -> None:
        wanted = list(images)
        layers = {layer.name: layer for image in wanted for layer in image.layers}
        stale = [layer for layer in layers.values() if self._cached(layer) is None]

        def build_layer(layer: Layer) -> None:
            with progress.long_step(f"building image layer {layer.name}"):
                self._build_layer(layer)

        # Two at a time: installing packages mostly waits for the network and the disk.
        with ThreadPoolExecutor(max_workers=2) as pool:
            list(pool.map(build_layer, stale))
        for image in wanted:
            self._write_layout(image)

    def push(self, image: Image) -> None:
        """Does nothing when the registry has exactly this content under this name."""
        if self.pushed(image):
            return
        crane = str(self.settings.bin / "crane")
        target = f"{self.settings.registry_address}/{image.reference}"
        command = [*enter_command(self.settings), crane, "push", str(self._layout(image)), target]
        run("registry", command, what=f"pushing {image.reference}", remedy="read .sandbox/log/registry.log")
        self._forget(image)

    def _forget(self, image: Image) -> None:
        """The node keeps what it once pulled under a name; a name that means something new must be pulled anew."""
        if self.settings.containerd_socket.exists():
            name = f"{self.settings.registry_name}/{image.reference}"
            socket = str(self.settings.containerd_socket)
            subprocess.run(
                ["ctr", "-a", socket, "-n", "k8s.io", "images", "rm", name],
                env=environment(),
                capture_output=True,
                check=False,
            )

    def pushed(self, image: Image) -> bool:
        return self._registry_digest(image) == self.digest(image)

    def digest(self, image: Image) -> str:
        index = json.loads((self._layout(image) / "index.json").read_text())
        return str(index["manifests"][0]["digest"])

    def _registry_digest(self, image: Image) -> str:
        host, port = self.settings.registry_address.split(":")
        request = (
            f"HEAD /v2/{image.name}/manifests/{image.tag} HTTP/1.0\r\nHost: {host}\r\nAccept: {MANIFEST}\r\n\r\n"
        )
        try:
            with connect(self.settings, host, int(port)) as sock:
                sock.sendall(request.encode())
                answer = sock.makefile().read()
        except OSError:
            return ""
        found = [line.split(": ", 1)[1] for line in answer.splitlines() if line.startswith("Docker-Content-Digest: ")]
        return found[0] if found else ""

    def _layout(self, image: Image) -> Path:
        return self.settings.images / "layouts" / image.reference.replace("/", "_").replace(":", "_")

    def _blob(self, layer: Layer) -> Path:
        return self.settings.images / "layers" / f"{layer.name}.tar.gz"

    def _cached(self, layer: Layer) -> dict[str, Any] | None:
        try:
            facts: dict[str, Any] = json.loads(self._blob(layer).with_suffix(".json").read_text())
        except (OSError, ValueError):
            return None
        good = facts["key"] == layer.key(self.settings) and self._blob(layer).exists()
        return facts if good else None

    def _build_layer(self, layer: Layer) -> None:
        blob = self._blob(layer)
        blob.parent.mkdir(parents=True, exist_ok=True)
        self.settings.log.mkdir(parents=True, exist_ok=True)
        log = self.settings.log / f"build-image-{layer.name}.log"
        log.unlink(missing_ok=True)
        tar = blob.with_name(f".{layer.name}.tar")
        tar.unlink(missing_ok=True)
        key = layer.key(self.settings)
        layer.write(self.settings, tar, log)
        new = blob.with_name(f".{layer.name}.tar.gz")
        facts = compress(tar, new)
        tar.unlink()
        blob.with_suffix(".json").unlink(missing_ok=True)
        new.replace(blob)
        put(blob.with_suffix(".json"), json.dumps({"key": key, **facts}), 0o644)

    def _write_layout(self, image: Image) -> None:
        layers = []
        for layer in image.layers:
            facts = self._cached(layer)
            if facts is None:
                raise SandboxError("images", f"layer {layer.name} changed while it was built", remedy="run it again")
            layers.append(facts)
        folder = self._layout(image)
        blobs = folder / "blobs" / "sha256"
        blobs.mkdir(parents=True, exist_ok=True)
        config = _json(image_config(image, [str(facts["diff_id"]) for facts in layers]))
        manifest = _json(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": _descriptor(CONFIG, config),
                "layers": [
                    {"mediaType": LAYER, "digest": facts["digest"], "size": facts["size"]} for facts in layers
                ],
            }
        )
        wanted = {_sha(config), _sha(manifest)} | {str(facts["digest"]).removeprefix("sha256:") for facts in layers}
        for old in blobs.iterdir():
            if old.name not in wanted:
                old.unlink()
        for layer, facts in zip(image.layers, layers, strict=True):
            linked = blobs / str(facts["digest"]).removeprefix("sha256:")
            if not linked.exists():
                os.link(self._blob(layer), linked)
        for data in (config, manifest):
            put(blobs / _sha(data), data, 0o644)
        put(folder / "oci-layout", '{"imageLayoutVersion":"1.0.0"}', 0o644)
        index = {"schemaVersion": 2, "manifests": [_descriptor(MANIFEST, manifest)]}
        put(folder / "index.json", _json(index), 0o644)


def image_config(image: Image, diff_ids: list[str]) -> dict[str, Any]:
    """The image's configuration as the OCI specification has it."""
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", **dict(image.env)}
    run_config: dict[str, Any] = {"Env": [f"{key}={value}" for key, value in env.items()], "WorkingDir": image.folder}
    optional = {
        "Entrypoint": list(image.entrypoint),
        "User": image.user,
        "StopSignal": image.stop_signal,
        "Labels": dict(image.labels),
    }
    run_config.update({key: value for key, value in optional.items() if value})
    return {
        "created": CREATED,
        "architecture": "amd64",
        "os": "linux",
        "config": run_config,
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [{"created": CREATED, "created_by": layer.name} for layer in image.layers],
    }


def compress(tar: Path, target: Path) -> dict[str, Any]:
    """Gzip with both digests taken on the way."""
    plain, packed, size = hashlib.sha256(), hashlib.sha256(), 0
    packer = zlib.compressobj(6, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    with tar.open("rb") as source, target.open("wb") as sink:
        while chunk := source.read(CHUNK):
            plain.update(chunk)
            out = packer.compress(chunk)
            packed.update(out)
            size += sink.write(out)
        out = packer.flush()
        packed.update(out)
        size += sink.write(out)
    return {"digest": f"sha256:{packed.hexdigest()}", "diff_id": f"sha256:{plain.hexdigest()}", "size": size}


def _descriptor(media_type: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": f"sha256:{_sha(data)}", "size": len(data)}


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _json(data: Any) -> bytes:
    return json.dumps(data, sort_keys=True, separators=(",", ":")).encode()
