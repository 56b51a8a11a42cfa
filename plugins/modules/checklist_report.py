#!/usr/bin/python
# Documents the action checklist_report; all its work is done on the controller.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: checklist_report
short_description: Show what was deployed and what was judged
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Shows a table of the checklist's controls with their states, in the order of the document. What is red stands with
    its summary and its remedy; what was not judged is pending, never green.
  - With O(path) it shows a summary of the run instead, the gate's decision first and last; the table comes before it
    with C(-v).
  - Runs on the controller. It shows and decides nothing; use RV(failed_controls) to stop a play.
extends_documentation_fragment:
  - bytebot.production.cluster
  - bytebot.production.record
  - bytebot.production.statements
options:
  results:
    description:
      - Results of examining modules, needed without O(path). Where a control has several, the last one counts.
      - With O(path) the table shows what the record holds instead, results of an earlier play of the same run included.
    type: list
    elements: dict
  sections:
    description: Sections of the checklist to show. All of them where it is not set.
    type: list
    elements: str
  facts:
    description: Names and values to show above the table, for example the release and its addresses.
    type: dict
  path:
    description:
      - The folder of a run, as M(bytebot.production.checklist_record) returns it. The report files are written into it,
        beside the C(results.json) that the record keeps there. In check mode nothing is written, and the table is
        shown.
    type: path
attributes:
  check_mode:
    description: The table is shown, and no file is written.
    support: full
  diff_mode:
    description: Nothing is ever changed.
    support: none
"""

EXAMPLES = r"""
- name: Judge the running release
  bytebot.production.workload_check:
    namespace: bytebot-production
    release: bytebot
  register: workload

- name: Show it
  bytebot.production.checklist_report:
    results: "{{ workload.results }}"
    sections: [deployment]
"""

RETURN = r"""
files:
  description: The files written, by name (C(report.html), C(checklist.md), C(junit.xml),
    C(oscal.json)).
  returned: when O(path) is given
  type: dict
msg:
  description: The summary with O(path), else the table.
  returned: always
  type: str
table:
  description: The table, where RV(msg) is the summary.
  returned: when O(path) is given
  type: str
verdict:
  description: The gate's decision in one line, with how much stands against it and what does first.
  returned: when O(path) is given
  type: str
open:
  description: Whether the gate is open.
  returned: when O(path) is given
  type: bool
failed_controls:
  description: Ids of the controls in state V(fail) or V(error).
  returned: success
  type: list
  elements: str
failed_must_controls:
  description: Those among them that are no advice, neither by the catalogue nor by the result.
  returned: success
  type: list
  elements: str
"""
