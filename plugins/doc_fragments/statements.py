# Documents whose signatures count (statements/signers.py).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """``bytebot.production.statements``."""

    DOCUMENTATION = r"""
options:
  statements:
    description:
      - Whose signatures count. Where it is not set, they are those that the role P(bytebot.production.run#role) was
        told; without either, nothing counts as signed.
    type: dict
    suboptions:
      allowed_signers:
        description: Public keys by person, in the form of C(allowed_signers) (see C(ssh-keygen(1))).
        type: path
      revoked_keys:
        description: Keys that no longer count, as C(ssh-keygen -r) takes them, a list of public keys or a KRL.
        type: path
      signers:
        description: The people who may sign.
        type: list
        elements: dict
        suboptions:
          signer:
            description:
              - The person's name in O(statements.allowed_signers), such as an address. One that begins with C(demo-) is
                for trying out, and counts in environments of the kind V(sandbox) only.
            type: str
            required: true
          name:
            description: The person's name, as the report shows it.
            type: str
            required: true
          title:
            description: The person's title, which an approval needs.
            type: str
          roles:
            description: What the person signs for; the catalogue names the role of each control (C(signed_by)).
            type: list
            elements: str
            required: true
          accounts:
            description:
              - Other names of the person, such as that of a login. Nobody signs what they requested under any of them.
            type: list
            elements: str
          several_teams:
            description: Whether this person may sign for more than one role.
            type: bool
            default: false
      go_live:
        description:
          - When it goes live (RFC 3339). What is signed for this one go-live, as the roll-call, is asked for and taken
            in within its time before that.
        type: str
      policy:
        description: How statements are made.
        type: dict
        suboptions:
          unwaivable:
            description: Controls, groups and sections that no waiver covers. Sign-offs are never waived in any case.
            type: list
            elements: str
          waiver_roles:
            description: Roles of those who sign waivers.
            type: list
            elements: str
            default: [risk_owner]
          approval_roles:
            description: Roles of those who give the approval.
            type: list
            elements: str
            default: [approver]
          waiver_longest:
            description: For how long something is waived at most (ISO 8601).
            type: str
            default: P1Y
          revoked:
            description:
              - Statements that count no more, each by the beginning of its SHA-256, of 12 letters at least. Unlike
                V(absent) of O(bytebot.production.statement#module:state), this is out of reach for whoever may write to
                the record.
            type: list
            elements: str
"""
