# SPDX-License-Identifier: GPL-2.0
"""One conversation, segment by segment, from both ends where both were recorded."""
