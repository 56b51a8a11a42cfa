# Documents the options that say which chart is meant, beside its name or place (spec: CHART_ARGS in argspec.py).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Where a chart comes from, and that it is the right one."""

    DOCUMENTATION = r"""
options:
  repository:
    description:
      - URL of the chart repository that holds O(chart). Credentials do not belong in it; helm takes them from the files
        that E(HELM_REGISTRY_CONFIG) and E(HELM_REPOSITORY_CONFIG) name.
    type: str
  version:
    description: Version of a chart from a repository or registry. Needed there, unless the reference has a digest.
    type: str
  chart_digest:
    description:
      - SHA-256 that the chart must have, else nothing is done. Either C(chart) of RV(digests), which is over the files
        and the same for a folder and its archive, or that of the archive, as a repository's index gives it.
    type: str
  verify:
    description: Check the signature of the chart's archive by the provenance file beside it.
    type: bool
    default: false
  keyring:
    description: Public keys for O(verify). Helm's own default where it is not set.
    type: path
  plain_http:
    description: Speak to an OCI registry without TLS, as to one on this machine.
    type: bool
    default: false
"""
