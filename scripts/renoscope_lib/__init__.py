# SPDX-License-Identifier: GPL-2.0
"""What the `renoscope` command is made of: a folder for each part, none of them in a ring.

In the order in which an event travels, and each uses only those before it:

ring        records and their shape, and the files of the module that they come from
output      tables, screens, pictures, files: how anything is shown or written
machine     this machine, and the module in its kernel; doctor beside it
recording   from the ring to a file, with proof, and from a file to its reader
tcp         what is known of TCP, and which connection an event belongs to
views       what happened, each view from one side, and what each was not told
explain     a verdict, by rules over the views; ladder, top, export and prometheus
            beside it, which are told the same
report      all of it on one page
commands    the command line: a file for each command

Here are what all of them know (errors, words, place, stopping), and how a run begins
(cli, options, command_table).
"""

# The module's, the package's and DKMS' too: test_packaging.py compares them.
VERSION = "0.1"
