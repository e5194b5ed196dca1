# SPDX-License-Identifier: GPL-2.0
"""Who suffers now, interval by interval."""
