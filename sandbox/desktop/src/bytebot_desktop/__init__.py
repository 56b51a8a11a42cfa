# The desktop daemon: computer use by HTTP on an X display of its own.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
