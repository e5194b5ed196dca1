# SPDX-License-Identifier: GPL-2.0
"""What the `renoscope` command is made of.

In the order in which an event travels: live_ring, then schema, schema_parser and
heads (a record), recorder, ledger and unrecorded (from the ring to a file), recording,
recording_parser and continuity (the file), inputs (any of these, for a view), flows
(which connection an event is of), gaps (what a view was not told), then the views and
what they say of it, and telling (to a person or a program).

Beside that way: cli, options and commands/ (the command line), host, doctor, loading
and holders (this machine and the module), freezes and shelf (always on).
"""

# The module's, the package's and DKMS' too: test_packaging.py compares them.
VERSION = "0.1"
