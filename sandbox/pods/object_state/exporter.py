# Follows the API and serves what it says as series.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

from sandbox.pods.object_state import resources, workloads
from sandbox.pods.object_state.text import Family, Lines, Series, exposition, lines
from sandbox.watch import Collection, Watchable

INFO = "bytebot_sandbox_object_state_info"
FOLLOWING = "bytebot_sandbox_object_state_following"
OWN = {
    INFO: Family("An exporter of the sandbox's own: it has the names of kube-state-metrics, of which it is no build."),
    FOLLOWING: Family("Whether the watch of these objects is on; else their series may be old."),
}
FAMILIES = {**OWN, **workloads.FAMILIES, **resources.FAMILIES}
Parse = Callable[[dict[str, Any]], Iterator[Series]]
COLLECTIONS: dict[str, Parse] = {
    "/api/v1/pods": resources.pod,
    "/api/v1/nodes": resources.node,
    "/api/v1/persistentvolumeclaims": resources.claim,
    "/api/v1/resourcequotas": resources.quota,
    "/apis/apps/v1/deployments": workloads.deployment,
    "/apis/autoscaling/v2/horizontalpodautoscalers": workloads.autoscaler,
    "/apis/policy/v1/poddisruptionbudgets": workloads.disruption_budget,
    "/apis/batch/v1/jobs": workloads.job,
    "/apis/batch/v1/cronjobs": workloads.cron_job,
}


class Exporter:
    """Keeps all collections; each object's series are made once, when it changes.

    :param api: what is listed and watched.
    :param version: told by the info series.
    """

    def __init__(self, api: Watchable, version: str, say: Callable[[str], None]) -> None:
        self._api, self._say = api, say
        self._stop = threading.Event()
        labels = {"version": version, "names_of": "kube-state-metrics", "kind": "stand-in"}
        self._info = Series(INFO, labels, 1)
        self.collections: dict[str, Collection[Lines]] = {
            path: Collection(path, self._reader(parse), _nothing, say) for path, parse in COLLECTIONS.items()
        }

    def start(self) -> None:
        for one in self.collections.values():
            threading.Thread(target=one.follow, args=(self._api, self._stop), daemon=True).start()

    def stop(self) -> None:
        self._stop.set()

    @property
    def complete(self) -> bool:
        """Whether everything was listed once: less would look like objects that are gone."""
        return all(one.listed for one in self.collections.values())

    def metrics(self) -> str:
        own = [self._info]
        for path, one in self.collections.items():
            own.append(Series(FOLLOWING, {"resource": path.rsplit("/", 1)[-1]}, not one.trouble))
        found = [lines(own), *(thing for one in self.collections.values() for thing in one.things())]
        return exposition(FAMILIES, found)

    def _reader(self, parse: Parse) -> Callable[[dict[str, Any]], Lines]:
        """One object that cannot be read must not hide the others."""

        def read(found: dict[str, Any]) -> Lines:
            try:
                return lines(parse(found))
            except (KeyError, TypeError, ValueError) as error:
                meta = found["metadata"]
                self._say(f"{meta.get('namespace', '')}/{meta['name']} has no series: {type(error).__name__}: {error}")
                return ()

        return read


def _nothing() -> None:
    return None
