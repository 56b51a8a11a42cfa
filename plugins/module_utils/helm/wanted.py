# What release is wanted, and the rendering of it, which takes little and so can begin before anything else is loaded.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.helm.cli import UNVALIDATED, HelmCli
from ansible_collections.bytebot.production.plugins.module_utils.helm.values import Values

OWN_LABELS = frozenset({"name", "owner", "status", "version", "createdAt", "modifiedAt"})  # helm's


@dataclass(frozen=True, slots=True)
class Wanted:
    """The release that should be there.

    :param digests: of the chart, told with the result; :param labels: what Helm's record bears.
    :param take_ownership: take over objects that no release owns; :param skip_crds: make no CRDs with a first install.
    :param rollback_on_failure: go back to the last good revision after a failure, which stays one.
    """

    name: str
    namespace: str
    chart: str
    values: Values
    create_namespace: bool = False
    history_max: int = 10
    description: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    take_ownership: bool = False
    skip_crds: bool = False
    rollback_on_failure: bool = False

    def begin_to_render(self, helm: HelmCli, verb: str = "upgrade") -> Callable[[], Any]:
        """Let helm say what the chart gives with these values on this cluster; nothing is stored.

        :param verb: ``install`` where helm renders no upgrade, since another one is pending.
        """
        arguments = [verb, self.name, self.chart, *(["--install"] if verb == "upgrade" else []), "--dry-run=server"]
        arguments += self.values.upgrade_arguments() if verb == "upgrade" else self.values.arguments()
        arguments += [UNVALIDATED, *self.common_arguments()]
        return helm.begin_json(*arguments, stdin=self.values.stdin())

    def common_arguments(self) -> list[str]:
        """What rendering and deploying have in common."""
        return [
            *(["--take-ownership"] if self.take_ownership else []),
            *(["--skip-crds"] if self.skip_crds else []),
        ]


def checked_labels(given: Mapping[str, Any]) -> dict[str, str]:
    """Labels that helm takes for its record."""
    labels = {str(key): str(value) for key, value in given.items()}
    if taken := sorted(set(labels) & OWN_LABELS):
        raise InputError(f"labels: {', '.join(taken)} is helm's own. Choose another name.")
    if odd := sorted(key for key, value in labels.items() if set(",=") & set(key + value)):
        raise InputError(f"labels: {', '.join(odd)} holds a comma or an equals sign, which no label does.")
    return labels
