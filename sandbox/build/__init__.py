# Builds the sandbox's binaries and images; everything is cached and stamped.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
