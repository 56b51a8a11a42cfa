# Entry of `python -m sandbox`.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

import sys

from sandbox.cli import main

sys.exit(main())
