# SPDX-License-Identifier: GPL-2.0
"""A verdict on each connection and listener: rules over what the views found."""
