# Which user the images of containers run as, where the containers leave that to them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.workload import containers
from ansible_collections.bytebot.production.plugins.module_utils.clients.registry import Image, Registry
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError

Object = dict[str, Any]


def image_users(
    objects: Iterable[Object], namespace: str, known: Mapping[str, str], registries: Iterable[Registry]
) -> tuple[dict[str, str], dict[str, str]]:
    """By image, the user of its configuration; and by image, why that is not known.

    :param known: what an input says of images already.
    """
    by_name = {one.name: one for one in registries}
    left = {str(at.container.get("image")) for at in containers(objects, namespace) if at.runs_as is None}
    users, problems = {name: user for name, user in known.items() if name in left}, {}
    for name in sorted(left - users.keys()):
        image = Image.of(name)
        registry = by_name.get(image.registry) if image else None
        if image is None or registry is None:
            problems[name] = "its registry is not among the registries" if image else "it names no image"
            continue
        try:
            users[name] = registry.user_of(image)
        except CollectionError as exc:
            problems[name] = exc.sentence
    return users, problems
