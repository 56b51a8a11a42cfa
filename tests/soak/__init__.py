# The soak: an hour under a steady load, in which nothing may restart and nothing may grow without end.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
