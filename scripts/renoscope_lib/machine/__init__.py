# SPDX-License-Identifier: GPL-2.0
"""The machine it runs on, and the module in its kernel: loading, holding, letting go."""
