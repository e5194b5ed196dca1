# SPDX-License-Identifier: GPL-2.0
"""What happened, as numbers that Prometheus scrapes."""
