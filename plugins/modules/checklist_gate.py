#!/usr/bin/python
# Documents the action checklist_gate; all its work is done on the controller.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: checklist_gate
short_description: Let a gate decide from the record
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Looks at the controls of a stage and of those before it. Only V(pass), V(attested), an unexpired waiver and a
    permitted V(not_applicable) let the gate open; a control of level C(should) never shuts it.
  - What nobody has judged yet is V(pending), and shuts the gate. Where nothing of the stage was judged, the decision is
    V(not_assessed), which is not open either.
  - Outside environments of the kind V(sandbox), a threshold weaker than the document's shuts it too, unless waived.
  - The decision is written to C(results.json) of the run, from which C(scripts/gate) gives it again.
extends_documentation_fragment:
  - bytebot.production.cluster
  - bytebot.production.record
  - bytebot.production.statements
options:
  stage:
    description: The stage whose gate is asked.
    type: str
    required: true
  policy:
    description: How the gate decides.
    type: dict
    suboptions:
      stages:
        description: The stages in another order than the catalogue's. None can be left out.
        type: list
        elements: str
      leave_out:
        description:
          - What may still be pending when the gate opens, and why. A key is the id of a control or a group, or the name
            of a section; its value is the reason.
          - It holds in environments of the kind V(sandbox) only, covers no other state, and is told with the decision.
        type: dict
  path:
    description:
      - The folder of a run, as M(bytebot.production.checklist_record) returns it, or a C(results.json).
      - A C(results.json) is read only. Give this or O(run).
    type: path
  run:
    description: Id of a run of O(environment), or V(latest).
    type: str
  environment:
    description: Name of the environment. Needed with O(run).
    type: str
  reports_dir:
    description: The folder that has the reports, relative to the working directory.
    type: path
    default: reports
  fail:
    description: Whether the task fails unless the gate is open.
    type: bool
    default: true
attributes:
  check_mode:
    description:
      - Nothing is written. The decision is about what was recorded before; where that is nothing, it is
        V(not_assessed) and does not fail.
    support: full
  diff_mode:
    description: Nothing is changed.
    support: none
"""

EXAMPLES = r"""
- name: Stop here unless everything up to the deployment is right
  bytebot.production.checklist_gate:
    path: "{{ record.path }}"
    stage: deploy
"""

RETURN = r"""
decision:
  description: V(open), V(shut), or V(not_assessed) where nothing of the stage was judged.
  returned: success
  type: str
stage:
  description: The stage that was asked.
  returned: success
  type: str
reasons:
  description: Why the gate is not open, one line a control, with its remedy.
  returned: success
  type: list
  elements: str
notes:
  description: What does not shut the gate and should be known.
  returned: success
  type: list
  elements: str
path:
  description: The results document.
  returned: success
  type: str
msg:
  description: The decision with its reasons, or the one thing that is wrong.
  returned: always
  type: str
"""
