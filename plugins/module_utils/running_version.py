# Which version of a release runs, by the tags of its images.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections import Counter

from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import NotPermitted

_OWNER = "meta.helm.sh/release-name"
_WORKLOADS = (("apps/v1", "Deployment"), ("apps/v1", "StatefulSet"))


def versions_of(cluster: Cluster | None, namespace: str, release: str, given: str = "") -> tuple[tuple[str, ...], str]:
    """The version that most of the release's workloads run, by the tags of their first images, or why it is not known.

    :param given: the version, where somebody has said it.
    """
    if given:
        return (given,), ""
    if cluster is None or not release:
        return (), "no namespace and release are named"
    tags: Counter[str] = Counter()
    try:
        for api_version, kind in _WORKLOADS:
            for one in cluster.list(api_version, kind, namespace):
                owner = (one["metadata"].get("annotations") or {}).get(_OWNER)
                containers = one["spec"]["template"]["spec"].get("containers") or [{}]
                image = str(containers[0].get("image") or "").partition("@")[0].rpartition("/")[2]
                if owner == release and ":" in image:
                    tags[image.partition(":")[2]] += 1
    except NotPermitted as exc:
        return (), exc.sentence.rstrip(".")
    if not tags:
        return (), f"no image of release {release} has a tag"
    most = max(tags.values())
    return tuple(sorted(tag for tag, count in tags.items() if count == most)), ""
