# SPDX-License-Identifier: GPL-2.0
"""What is known of TCP, and what is kept of a connection."""
