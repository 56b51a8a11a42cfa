# Brings a chart from a repository or an OCI registry into a private folder, once, and checks that it is the wanted one.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError, Refused
from ansible_collections.bytebot.production.plugins.module_utils.helm.chart import chart_digest
from ansible_collections.bytebot.production.plugins.module_utils.helm.cli import HelmCli, chart_path

OCI = "oci://"
_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a chart comes from: a folder or archive, a name in a repository, or a reference in an OCI registry.

    :param version: the chart's version; an OCI reference may name a digest in its place.
    :param digest: SHA-256 that the chart must have: of its files (as ``digests.chart`` tells), or of its archive.
    :param keyring: public keys that its provenance file must be signed with; empty for helm's usual one.
    :param plain_http: speak to the registry without TLS.
    """

    chart: str
    repository: str = ""
    version: str = ""
    digest: str = ""
    verify: bool = False
    keyring: str = ""
    plain_http: bool = False

    @classmethod
    def checked(cls, given: Mapping[str, Any]) -> Source:
        """From a module's options, which fit together."""
        words = {name: given.get(name) or "" for name in ("chart", "repository", "version", "keyring")}
        wanted = str(given.get("chart_digest") or "")
        found = _DIGEST.fullmatch(wanted)
        if wanted and not found:
            raise InputError("chart_digest is no SHA-256: 64 hexadecimal digits, sha256: before them or not.")
        source = cls(
            **words,
            digest=found.group(1) if found else "",
            verify=bool(given.get("verify")),
            plain_http=bool(given.get("plain_http")),
        )
        source._check()
        return source

    @property
    def remote(self) -> bool:
        """Whether the network is needed for it."""
        return bool(self.repository) or self.chart.startswith(OCI)

    def _check(self) -> None:
        if self.repository and self.chart.startswith(OCI):
            raise InputError("repository is for charts by name; an oci:// chart names its registry itself.")
        if self.repository and urlsplit(self.repository).scheme not in ("http", "https"):
            raise InputError("repository is the URL (https://…) of a chart repository.")
        if "@" in urlsplit(self.repository or self.chart).netloc:
            raise InputError(
                "A URL of a chart holds no credentials: log in beforehand (helm registry login), and name the file by "
                "HELM_REGISTRY_CONFIG."
            )
        if self.remote and not self.version and "@sha256:" not in self.chart:
            raise InputError(f"version is needed for {self.chart}: without it, what is newest would be deployed.")
        if not self.remote and self.version:
            raise InputError("version is for a chart of a repository or registry; a folder or archive has its own.")
        if self.keyring and not Path(self.keyring).expanduser().is_file():
            raise InputError(f"There is no keyring at {self.keyring}.")


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart on this machine, and its digests: over its files, and of its archive (empty for a folder)."""

    path: str
    files_digest: str
    archive_digest: str = ""

    def digests(self) -> dict[str, str]:
        return {"chart": self.files_digest, **({"archive": self.archive_digest} if self.archive_digest else {})}


def chart_of(source: Source, helm: HelmCli, private_dir: str) -> Chart:
    """The chart, from wherever it comes; what is fetched is an archive in a folder of its own.

    :raises Refused: it is not the chart of the wanted digest.
    """
    path = _pulled(source, helm, private_dir) if source.remote else chart_path(source.chart)
    if source.verify and not source.remote:
        helm.call("verify", str(path), *_keyring(source))
    archive = "" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
    chart = Chart(str(path), chart_digest(str(path)), archive)
    if source.digest and source.digest not in (chart.files_digest, chart.archive_digest):
        was = f" (archive {chart.archive_digest})" if archive else ""
        raise Refused(
            f"The chart {source.chart} is not the wanted one: chart_digest names {source.digest}, its files have "
            f"{chart.files_digest}{was}. Find out who changed it before you take the new digest."
        )
    return chart


def _pulled(source: Source, helm: HelmCli, private_dir: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="chart-", dir=private_dir))
    arguments = ["pull", source.chart, "--destination", str(folder)]
    arguments += ["--repo", source.repository] if source.repository else []
    arguments += ["--version", source.version] if source.version else []
    arguments += ["--verify", *_keyring(source)] if source.verify else []
    arguments += ["--plain-http"] if source.plain_http else []
    helm.call(*arguments)
    found = sorted(folder.glob("*.tgz"))
    if len(found) != 1:
        raise InputError(f"helm pull of {source.chart} left {len(found)} archives where one is needed.")
    return found[0]


def _keyring(source: Source) -> list[str]:
    return ["--keyring", str(Path(source.keyring).expanduser())] if source.keyring else []
