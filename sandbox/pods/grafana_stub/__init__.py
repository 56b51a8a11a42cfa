# A contract stub: it answers as Grafana documents its HTTP API, from dashboards in files and a real Prometheus. It is
# not Grafana, holds none of its code, and says so in each answer.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
