# SPDX-License-Identifier: GPL-2.0
"""Whether it can work here, and if not, what to type."""
