# Sees that awx/configure.yml makes what it defines, by the modules of awx.awx against a stand-in: make awx.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
