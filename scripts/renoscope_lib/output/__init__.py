# SPDX-License-Identifier: GPL-2.0
"""What is shown or written, whatever it is about: tables, screens, pictures, files."""
