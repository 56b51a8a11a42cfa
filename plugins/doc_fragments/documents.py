# Documents the options by which a module reads documents (spec: DOCUMENTS_ARGS in argspec_documents.py).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Where documents are, and how one signs in there; the hosts are those of ``bytebot.production.services``."""

    DOCUMENTATION = r"""
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
      token_file:
        description: File with a bearer token. It is read on the controller and never shown.
        type: path
      token_variable:
        description: Environment variable with a bearer token, in place of a file.
        type: str
      username:
        description: User name for basic authentication.
        type: str
      password_file:
        description: File with the password of that user.
        type: path
      password_variable:
        description: Environment variable with that password, in place of a file.
        type: str
"""
