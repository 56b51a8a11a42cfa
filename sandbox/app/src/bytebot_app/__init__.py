# The reference application: it keeps the documented contract, so that what is judged can be seen to be right or wrong.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

