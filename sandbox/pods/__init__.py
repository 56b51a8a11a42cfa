# The sandbox's own programs that run in pods. Of the sandbox they may import `sandbox.api` and `sandbox.watch` alone.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
