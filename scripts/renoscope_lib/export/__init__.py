# SPDX-License-Identifier: GPL-2.0
"""Events in the formats of other programs."""
