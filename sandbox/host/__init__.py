# What the sandbox needs of the machine itself: namespace, cgroups, mounts, packages.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
