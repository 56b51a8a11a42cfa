# The controls on the security of a namespace that are seen through the Kubernetes API alone.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.bytebot.production.plugins.module_utils.checks import security_access as access
from ansible_collections.bytebot.production.plugins.module_utils.checks import security_containers as containers
from ansible_collections.bytebot.production.plugins.module_utils.checks.security_facts import (
    ACCOUNTS,
    CONTEXT,
    PRODUCTION,
    PROTECTION,
    RESOURCES,
    ROOT,
    STORED,
    SecurityFacts,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.security_protection import protection
from ansible_collections.bytebot.production.plugins.module_utils.checks.security_stored import stored
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks

CHECKS: Checks[SecurityFacts] = Checks()

CHECKS.settles(STORED)(stored)
CHECKS.settles(PROTECTION)(protection)
CHECKS.settles(CONTEXT)(containers.context)
CHECKS.settles(RESOURCES)(containers.resources)
CHECKS.settles(ROOT)(containers.read_only_root)
CHECKS.settles(PRODUCTION)(access.production)
CHECKS.settles(ACCOUNTS)(access.accounts)
