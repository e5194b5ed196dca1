# SPDX-License-Identifier: GPL-2.0
"""The commands: each module adds its own with add(), in the order of the help."""

from __future__ import annotations

from . import (cwnd, explain, export, flow, metrics, module, record, report,
               show, top, views, watch)

IN_ORDER = (module, record, show, top, explain, flow, cwnd, report, views,
            export, metrics, watch)
