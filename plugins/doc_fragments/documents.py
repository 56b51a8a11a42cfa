# Documents the options by which a module reads documents (spec: DOCUMENTS_ARGS in argspec_documents.py).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.bytebot.production.plugins.doc_fragments.services import CREDENTIALS


class ModuleDocFragment:
    """Where documents are, and how one signs in there; the hosts are those of ``bytebot.production.services``."""

    DOCUMENTATION: str = (
        r"""
options:
  folder:
    description: Folder that places are in.
    type: path
  document_logins:
    description: How one signs in at hosts of documents, by the start of their URLs.
    type: list
    elements: dict
    default: []
    suboptions:
      url:
        description: Start of the URLs that it is for. No credentials stand in it.
        type: str
        required: true
"""
        + CREDENTIALS
    )
