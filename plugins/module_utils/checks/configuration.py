# The controls of the section on the application's configuration, and the checks that settle them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.bytebot.production.plugins.module_utils.checks import configuration_environment as environment
from ansible_collections.bytebot.production.plugins.module_utils.checks import configuration_health as health
from ansible_collections.bytebot.production.plugins.module_utils.checks import configuration_scaling as scaling
from ansible_collections.bytebot.production.plugins.module_utils.checks import configuration_startup as starting
from ansible_collections.bytebot.production.plugins.module_utils.checks import configuration_tuning as tuning
from ansible_collections.bytebot.production.plugins.module_utils.checks import configuration_variables as variables
from ansible_collections.bytebot.production.plugins.module_utils.checks.configuration_facts import (
    DEBUG,
    FLAGS,
    HPA,
    LIMITS,
    LIVENESS,
    LOG_LEVEL,
    POOL,
    READINESS,
    STARTUP,
    VARIABLES,
    VPA,
    Facts,
)
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks

CHECKS: Checks[Facts] = Checks()
CHECKS.settles(VARIABLES)(variables.variables)
CHECKS.settles(LOG_LEVEL)(environment.log_level)
CHECKS.settles(DEBUG)(environment.debug_off)
CHECKS.settles(FLAGS)(environment.feature_flags)
CHECKS.settles(POOL)(tuning.pool_size)
CHECKS.settles(LIMITS)(tuning.limits)
CHECKS.settles(HPA)(scaling.hpa)
CHECKS.settles(VPA)(scaling.vpa)
CHECKS.settles(LIVENESS)(health.liveness)
CHECKS.settles(READINESS)(health.readiness)
CHECKS.settles(STARTUP)(starting.startup)
