# SPDX-License-Identifier: GPL-2.0
"""What the `renoscope` command is made of.

Reading upwards: schema (a record's shape), recording and stream (where records
come from), flows (which connection an event belongs to), show and handshakes
(what a person sees), cli (the words of the command line).
"""

# The module's, the package's and DKMS' too: test_version.py compares them.
VERSION = "0.1"
