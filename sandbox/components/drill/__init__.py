# Where restore drills take place: a namespace that is marked for them, and what the deploying account may do there.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from collections.abc import Mapping
from pathlib import Path

import yaml

from sandbox.component import Context, Workload, only_full
from sandbox.components.backup_tools import NAME as TOOLS

NAMESPACE = "bytebot-restore-drill"
ROLES = Path(__file__).parents[3] / "roles" / "backup" / "files" / "drill-rbac.yaml"
QUOTA = f"/api/v1/namespaces/{NAMESPACE}/resourcequotas/bytebot-drill"


def values(_: Context) -> Mapping[str, str]:
    """The shipped roles, one document each."""
    roles = yaml.safe_dump_all(yaml.safe_load(ROLES.read_text(encoding="utf-8"))["items"])
    return {"roles": roles, "name": NAMESPACE, "tools": TOOLS}


def answers(ctx: Context) -> bool:
    """The namespace's bounds are counted."""
    return "used" in (ctx.cluster.get(QUOTA) or {}).get("status", {})


COMPONENT = Workload(needs=("backup", "backup-tools", "deployer"), values=values, answers=answers, wanted=only_full)
