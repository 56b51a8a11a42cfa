# Writes kubeconfigs that carry their certificates with them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import yaml

from sandbox.files import put
from sandbox.pki import Pki
from sandbox.settings import Settings


def render_kubeconfig(settings: Settings, pki: Pki, user: str) -> str:
    data = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": settings.context,
        "contexts": [{"name": settings.context, "context": {"cluster": settings.context, "user": user}}],
        "clusters": [
            {
                "name": settings.context,
                "cluster": {"server": settings.api_url, "certificate-authority-data": pki.b64("ca.crt")},
            }
        ],
        "users": [
            {
                "name": user,
                "user": {
                    "client-certificate-data": pki.b64(f"{user}.crt"),
                    "client-key-data": pki.b64(f"{user}.key"),
                },
            }
        ],
    }
    return f"# Access of {user} to the sandbox; a secret.\n{yaml.safe_dump(data, sort_keys=False)}"


def write_kubeconfig(settings: Settings, pki: Pki, user: str) -> None:
    put(settings.kubeconfig_of(user), render_kubeconfig(settings, pki, user))
