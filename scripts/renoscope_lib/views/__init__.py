# SPDX-License-Identifier: GPL-2.0
"""What happened, each view from one side: how it is worked out, and how it is told."""
