# Documents where the record of results is kept, for the modules that work on it on the controller.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """``bytebot.production.record``."""

    DOCUMENTATION = r"""
options:
  record:
    description:
      - Where the record is kept. Where it is not set, it is where the role P(bytebot.production.run#role) opened the
        run, else in files.
      - The options by which the cluster is reached are used with O(record.store=cluster) only.
    type: dict
    suboptions:
      store:
        description:
          - V(files) keeps it below the folder of the reports. V(cluster) keeps it as ConfigMaps of a namespace, for
            machines whose disk vanishes; the report is written to the folder all the same.
        type: str
        choices: [files, cluster]
        default: files
      namespace:
        description: The namespace that keeps the record, which must be there. Needed with V(cluster).
        type: str
      keep:
        description: How many runs of an environment the cluster keeps. Older ones are deleted once they are closed.
        type: int
        default: 20
      lease:
        description:
          - Seconds after which a run of another machine that recorded nothing more counts as ended. Longer than the
            longest task. One of the same machine is asked whether it still runs.
        type: int
        default: 3600
"""
