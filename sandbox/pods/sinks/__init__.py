# Where alerts and messages end in the sandbox: a webhook and a mail sink that keep what came and list it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
