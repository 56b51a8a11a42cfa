# States of Kubernetes objects as Prometheus series, by the names and labels that kube-state-metrics documents.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
