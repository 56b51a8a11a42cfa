# The benchmark's own namespace, and an observer that is neither ours nor the peer's: kubectl.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmark.errors import Broken

LABEL = "bytebot.production/benchmark"
MISSING_IMAGE = re.compile(r'"reason":"(ErrImagePull|ImagePullBackOff)"')  # of a container that waits


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace that is made for the benchmark and removed after it."""

    kubectl: Path
    kubeconfig: Path
    context: str
    name: str

    def _command(self, *arguments: str) -> list[str]:
        return [str(self.kubectl), f"--kubeconfig={self.kubeconfig}", f"--context={self.context}", *arguments]

    def ask(self, *arguments: str) -> str:
        """Run kubectl in the namespace.

        :raises Broken: kubectl failed, with its words.
        """
        command = self._command(f"--namespace={self.name}", *arguments)
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise Broken(f"kubectl {' '.join(arguments[:3])}: {done.stderr.strip()}")
        return done.stdout

    @contextmanager
    def made(self) -> Iterator[None]:
        """The namespace, fresh; one that is there and is not the benchmark's is left alone."""
        found = self.ask("get", "namespaces", "--output=json", f"--field-selector=metadata.name={self.name}")
        for item in json.loads(found)["items"]:
            if LABEL not in (item["metadata"].get("labels") or {}):
                raise Broken(f"Namespace {self.name} is there and is not the benchmark's. Choose another: --namespace.")
            self._remove()
        self.ask("create", "namespace", self.name)
        try:
            self.ask("label", "namespace", self.name, f"{LABEL}=true")
            yield
        finally:
            self._remove()

    def _remove(self) -> None:
        self.ask("delete", "namespace", self.name, "--wait=true", "--ignore-not-found")

    def deployed_version(self, release: str) -> str:
        """The version that the Deployment's template names, where its pods are ready; else empty."""
        found = json.loads(self.ask("get", "deployment", release, "--output=json"))
        status, spec = found.get("status") or {}, found["spec"]
        wanted = spec["replicas"]
        ready = status.get("observedGeneration") == found["metadata"]["generation"] and all(
            status.get(key) == wanted for key in ("updatedReplicas", "readyReplicas")
        )
        return str(spec["template"]["spec"]["containers"][0]["env"][0]["value"]) if ready else ""

    @contextmanager
    def watched_for_missing_image(self, release: str) -> Iterator[FirstSign]:
        """Follow the release's pods; the moment at which the kubelet first says that the image is missing."""
        path = f"/api/v1/namespaces/{self.name}/pods?watch=true&labelSelector=app%3D{release}"
        command = self._command("get", "--raw", path)  # one JSON object a line, as it happens
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        sign = FirstSign()
        follower = threading.Thread(target=sign.follow, args=(process.stdout,), daemon=True)
        follower.start()
        try:
            yield sign
        finally:
            process.terminate()
            process.wait()
            follower.join()


@dataclass
class FirstSign:
    """When a sign was first seen.

    :param at: ``time.monotonic()``, None as long as it was not seen.
    """

    at: float | None = field(default=None)

    def follow(self, lines: object) -> None:
        """Read lines to their end and keep the moment of the first that shows the sign."""
        for line in lines if isinstance(lines, Iterator) else ():
            if self.at is None and MISSING_IMAGE.search(line):
                self.at = time.monotonic()
