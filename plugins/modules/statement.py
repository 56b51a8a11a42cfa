#!/usr/bin/python
# Documents the action statement; all its work is done on the controller.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: statement
short_description: Have statements signed by SSH keys, verify and keep them
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Writes small files to sign, each with what a person states and the facts that a run collected beside it; takes them
    in again once they are signed (C(ssh-keygen -Y sign), hardware keys and agents too); revokes and lists them.
  - What is kept is joined with the results by M(bytebot.production.checklist_record), where a control that only a
    person can settle becomes V(attested), and what a waiver covers V(waived). An attestation never covers what a check
    found red.
  - A statement that was changed, is signed by a wrong key or role or by whoever requested it, is of another environment
    or release, is too old, dated in the future, revoked or not answered, is refused in one sentence and counts for
    nothing.
  - It never sees a private key.
extends_documentation_fragment:
  - bytebot.production.cluster
  - bytebot.production.environment
  - bytebot.production.record
  - bytebot.production.statements
options:
  state:
    description:
      - V(requested) writes files to sign. V(present) takes signed files in. V(absent) revokes one, which stays and
        counts no more. V(listed) says of each whether it counts.
    type: str
    choices: [requested, present, absent, listed]
    default: present
  kind:
    description:
      - What is requested. The V(approval) is of the release as a whole, and is given only while the gate of C(sign_off)
        is open.
    type: str
    choices: [attestation, waiver, approval]
    default: attestation
  controls:
    description: Ids of the controls that are signed or waived. For attestations all that wait where none is named.
    type: list
    elements: str
  run:
    description: The closed run whose facts stand beside what is signed; the newest where it is not set.
    type: str
  requester:
    description: Who requests or revokes. Nobody signs what they requested.
    type: str
  dest:
    description: The folder that takes the files to sign; C(requests) in the environment's folder where it is not set.
    type: path
  src:
    description: Signed files. The signature lies beside each, with C(.sig) after its name.
    type: list
    elements: path
  statement:
    description: The statement to revoke, by the beginning of its SHA-256.
    type: str
  reason:
    description: Why something is waived or revoked.
    type: str
  owner:
    description: Who answers for a waiver.
    type: str
  until:
    description: When a waiver ends, as a time (RFC 3339) or a duration from now on (ISO 8601).
    type: str
  scope:
    description: Whether a waiver holds for this release, or for the environment whatever runs in it.
    type: str
    choices: [release, environment]
    default: environment
attributes:
  check_mode:
    description: Everything is verified, and nothing is written.
    support: full
  diff_mode:
    description: Statements are added, never changed.
    support: none
"""

EXAMPLES = r"""
- name: Ask for what waits for a signature
  bytebot.production.statement:
    state: requested
    environment: "{{ bytebot_environment }}"
    requester: release-bot
    statements: "{{ bytebot_statements }}"

- name: Take in what was signed
  bytebot.production.statement:
    environment: "{{ bytebot_environment }}"
    src: [sign_off.technical.security.attestation.json]
    statements: "{{ bytebot_statements }}"

- name: Ask for a waiver
  bytebot.production.statement:
    state: requested
    kind: waiver
    environment: "{{ bytebot_environment }}"
    controls: [infrastructure.cluster.resources]
    requester: release-bot
    owner: R. Okafor
    reason: The third node is ordered
    until: P30D
    statements: "{{ bytebot_statements }}"
"""

RETURN = r"""
files:
  description: The files to sign.
  returned: O(state=requested)
  type: list
  elements: str
statements:
  description:
    - With O(state=present), the SHA-256 of each statement that was taken in, by the name of its file.
    - With O(state=listed), each statement with C(statement), C(control), C(signer), C(counts) and C(why) it does not.
  returned: O(state=present) and O(state=listed)
  type: raw
refused:
  description: One sentence for each file that was not taken in.
  returned: O(state=present)
  type: list
  elements: str
statement:
  description: SHA-256 of the statement that is revoked.
  returned: O(state=absent)
  type: str
msg:
  description: What was done, or what is wrong.
  returned: always
  type: str
"""
