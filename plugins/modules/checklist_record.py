#!/usr/bin/python
# Documents the action checklist_record; all its work is done on the controller.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: checklist_record
short_description: Record results in a run that survives a kill
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Verifies results of examining modules, says what each holds for, writes them at once below
    RV(path), and builds C(results.json), which has an entry for every control of the checklist.
  - A run that was not closed goes on in the next play, unless O(fresh). Two plays cannot write to one environment at a
    time; a play that was killed does not stand in the way of the next one on the same machine.
  - A file that is damaged or was edited is never used and never deleted; a warning says so.
  - Statements that M(bytebot.production.statement) took in are verified anew each time and joined with the results;
    what does not count is a warning.
extends_documentation_fragment:
  - bytebot.production.cluster
  - bytebot.production.environment
  - bytebot.production.record
  - bytebot.production.statements
options:
  results:
    description: Results of examining modules. The newest result of a control counts.
    type: list
    elements: dict
    default: []
  binding:
    description:
      - What identifies the release. Give all three, or none while the release is not known.
      - A result recorded without is V(stale) as soon as the release is known, if its control binds to the release.
    type: dict
    suboptions:
      chart_digest:
        description: Digest of the chart, or of what it renders.
        type: str
      values_digest:
        description: Digest of the values.
        type: str
      image_digests:
        description: Digests of the images that run.
        type: list
        elements: str
  open:
    description:
      - Begin. The newest run of the environment that is not closed goes on, else a new one is opened.
      - Without it, the run that the same play has open is used, and one is opened where there is none.
    type: bool
    default: false
  close:
    description: End the run after recording. Nothing can be added to it from then on.
    type: bool
    default: false
  fresh:
    description: Open a new run even where one could go on.
    type: bool
    default: false
  carry:
    description:
      - Let a run that is opened go on from the newest results of the runs before it, each with what it holds for and
        when it was judged. What has moved on since is V(stale), as in the run that judged it.
      - What is V(pending) takes the place of an older result where somebody looked at what is only read, or where its
        own run had judged the control before. What nobody looked at hides nothing.
      - This is for stages that are launched one by one, none of which judges all anew.
    type: bool
    default: false
attributes:
  check_mode:
    description: Nothing is written; the returned counts are those that would be. Recording is never reported as change.
    support: full
  diff_mode:
    description: Results are added, never changed.
    support: none
"""

EXAMPLES = r"""
- name: Open or resume the run
  bytebot.production.checklist_record:
    environment: "{{ bytebot_environment }}"
    open: true

- name: Judge the running release
  bytebot.production.workload_check:
    namespace: bytebot-production
    release: bytebot
  register: workload

- name: Record it
  bytebot.production.checklist_record:
    environment: "{{ bytebot_environment }}"
    binding: "{{ bytebot_binding }}"
    results: "{{ workload.results }}"
  register: record
"""

RETURN = r"""
run:
  description: Id of the run. V(check-mode) where check mode would open one.
  returned: success
  type: str
  sample: 20261124T160102Z-3f9a
path:
  description: The folder of the run.
  returned: success
  type: str
resumed:
  description: How often the run was resumed.
  returned: success
  type: int
counts:
  description: Number of controls in each state, of all controls of the checklist.
  returned: success
  type: dict
settled:
  description:
    - Ids of the controls that this run has settled and that do not hang on the release. A play that goes on with a run
      need not judge them again.
  returned: success
  type: list
  elements: str
msg:
  description: What was recorded, or the one thing that is wrong.
  returned: always
  type: str
"""
