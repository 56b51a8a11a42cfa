# A real one-node Kubernetes in a network namespace, for development, tests and trials of the collection.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
