# Documents an option that modules share: the short-lived pod that carries connections (PROBE_ARGS).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """``bytebot.production.probe``."""

    DOCUMENTATION = r"""
options:
  probe_image:
    description:
      - Image of the pod that carries connections; it must have C(sh) and one of C(python3), C(bash), C(socat) and
        C(nc), and is run as user 65534.
      - Where it is not set, nobody signs in from there, and what needs that is V(pending).
    type: str
  probe_namespace:
    description: Namespace of that pod. Where it is not set, that of the release.
    type: str
  probe_timeout:
    description: Seconds for the pod to run.
    type: float
    default: 60.0
"""
