# SPDX-License-Identifier: GPL-2.0
"""What the module gives: records and their shape, its counts, and the files they come from."""
