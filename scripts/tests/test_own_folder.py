# SPDX-License-Identifier: GPL-2.0
"""Who else may write in a folder, or put another one in its place."""

import os
import struct
import tempfile
import unittest
from pathlib import Path

from renoscope_lib.recording.own_folder import ACL, why_not_own

from . import support

# A list that gives the user 1234 rwx, as the kernel keeps it: version 2; tag, rights, id.
NO_ID = 0xffffffff
ACCESS_LIST = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", *entry) for entry in (
        (0x01, 7, NO_ID), (0x02, 7, 1234), (0x04, 0, NO_ID), (0x10, 7, NO_ID),
        (0x20, 0, NO_ID)))


class WhoElse(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.above = Path(folder.name).resolve()
        self.folder = self.above / "kept"
        self.folder.mkdir()

    def why_not(self, mode: int, above: int = 0o755) -> str:
        self.above.chmod(above)
        self.folder.chmod(mode)
        return why_not_own(self.folder)

    def test_what_nobody_else_may_write(self) -> None:
        for mode in (0o700, 0o750, 0o755, 0o2755, 0o1700):
            self.assertEqual(self.why_not(mode), "")

    def test_everybody(self) -> None:
        """The sticky bit keeps nobody from putting links there."""
        for mode in (0o777, 0o1777, 0o702, 0o1703):
            self.assertEqual(self.why_not(mode), "everybody may write in "
                             f"{self.folder} (mode {mode:04o})")

    def test_everybody_above(self) -> None:
        """There the sticky bit is enough: the folder stays where it is."""
        self.assertEqual(self.why_not(0o700, above=0o777),
                         f"everybody may write in {self.above} (mode 0777)")
        self.assertEqual(self.why_not(0o700, above=0o1777), "")

    def owned(self, uid: int, gid: int, path: Path, mode: int = 0o700) -> str:
        os.chown(path, uid, gid)
        path.chmod(mode)
        return why_not_own(self.folder)

    @unittest.skipIf(os.geteuid(), "needs root")
    def test_a_group(self) -> None:
        for gid, mode, who in ((support.NOBODY, 0o770, "group nogroup"),
                               (123456, 0o1720, "group 123456")):
            self.assertEqual(self.owned(0, gid, self.folder, mode),
                             f"{who} may write in {self.folder} (mode {mode:04o})")
            self.assertEqual(self.owned(0, gid, self.folder, 0o750), "")
        self.assertEqual(self.owned(0, 0, self.folder, 0o770), "")

    @unittest.skipIf(os.geteuid(), "needs root")
    def test_whom_an_access_list_names(self) -> None:
        """It looks as if root's group might write."""
        self.assertEqual(self.owned(0, 0, self.folder, 0o770), "")
        try:
            os.setxattr(self.folder, ACL, ACCESS_LIST)
        except OSError as error:
            self.skipTest(f"no access lists here: {error.strerror}")
        self.assertEqual(why_not_own(self.folder), "whoever its access list names may write in "
                         f"{self.folder} (mode 0770)")

    @unittest.skipIf(os.geteuid(), "needs root")
    def test_its_owner(self) -> None:
        """Whatever the mode is: an owner may change it."""
        for place, uid, who in ((self.folder, support.NOBODY, "user nobody"),
                                (self.above, 123456, "user 123456")):
            for mode in (0o700, 0o1555):
                self.assertEqual(self.owned(uid, 0, place, mode),
                                 f"{who} may write in {place} (mode {mode:04o})")
            self.owned(0, 0, place)

    @unittest.skipIf(os.geteuid(), "needs root")
    def test_ones_own(self) -> None:
        """Who runs this may own it, or root."""
        for uid in (support.NOBODY, 0):
            os.chown(self.above, uid, 0)
            os.chown(self.folder, uid, 0)
            self.above.chmod(0o755)
            with support.powerless():
                self.assertEqual(why_not_own(self.folder), "")


if __name__ == "__main__":
    unittest.main()
