# Documents how an environment is named, and where its reports are, for modules on the controller.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """``bytebot.production.environment``."""

    DOCUMENTATION = r"""
options:
  environment:
    description: What is judged.
    type: dict
    required: true
    suboptions:
      name:
        description: Name of the environment, which is the inventory's host. It becomes the name of a folder.
        type: str
        required: true
      kind:
        description: Such as V(sandbox), V(preview) or V(production).
        type: str
        required: true
      organization:
        description: Who runs it.
        type: str
        required: true
      namespace:
        description: The namespace of the release.
        type: str
        required: true
      release:
        description: The name of the Helm release.
        type: str
        required: true
  reports_dir:
    description: The folder that has the reports, relative to the working directory.
    type: path
    default: reports
"""
