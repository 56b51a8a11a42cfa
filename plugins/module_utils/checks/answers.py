# Statuses of HTTP by which the application says nothing of itself, wherever answers are judged.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

# What a proxy answers of itself where nothing stands behind it (RFC 9110, 15.6.3 to 15.6.5).
NO_BACKEND = (502, 503, 504)
# A limit (RFC 6585, 4), or nobody there: whoever decides was not asked.
NOT_ASKED = (429, *NO_BACKEND)
# Likewise, or no answer at all.
UNTOLD = (0, *NOT_ASKED)
