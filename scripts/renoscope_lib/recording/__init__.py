# SPDX-License-Identifier: GPL-2.0
"""Recordings: saved from the ring with proof, kept, read back, be they whole or not."""
