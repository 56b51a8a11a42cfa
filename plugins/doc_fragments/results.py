# Documents what all examining modules share: the option `only` (ONLY_ARGS) and the attributes.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """``bytebot.production.results`` for the option; ``bytebot.production.results.attributes`` for the attributes.

    Returned values cannot come from a fragment in the supported versions of ansible-core: each module repeats them.
    """

    DOCUMENTATION = r"""
options:
  only:
    description:
      - Ids of the controls to judge (C(section.group.item)). Where it is empty, all that the module settles are judged.
    type: list
    elements: str
    default: []
"""

    # What a module supports differs, so each states `support` (and `details`) under its own `attributes`.
    ATTRIBUTES = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return what it would change, without changing the target.
  diff_mode:
    description: Returns details on what has changed (or would change in C(check_mode)) in diff mode.
"""
