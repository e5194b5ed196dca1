# SPDX-License-Identifier: GPL-2.0
"""A load that fails leaves nothing behind, whoever tries to hold on meanwhile.

When a module's init fails, the kernel frees it without asking who holds it. So
nothing that can be taken hold of may exist before the last step that can fail;
a kernel without debugfs makes such a step fail.
"""

from __future__ import annotations

import os
import subprocess
import unittest
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2]
BENCH = SCRIPTS / "qemu"
SERIES = os.environ.get("RENOSCOPE_KERNEL", "6.12")

# Tries to choose the algorithm without pause while loading goes on; forty loads,
# because the moment to meet is short.
IN_GUEST = """
python3 - <<'END' &
import os, socket
os.setuid(65534)
print("choosing", flush=True)
s = socket.socket()
choose = s.setsockopt
while not os.path.exists("/tmp/stop"):
    for _ in range(500):
        try:
            choose(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"renoscope")
            print("CHOSEN", flush=True)
        except OSError:
            pass
END
for attempt in $(seq 40); do insmod "$1" 2>/dev/null && echo LOADED; done
touch /tmp/stop
wait
echo "modules: $(grep -c tcp_renoscope /proc/modules)"
cat /proc/sys/net/ipv4/tcp_available_congestion_control
dmesg | grep tcp_renoscope: | tail -n 1
"""


class FailedLoad(unittest.TestCase):
    def test_without_debugfs(self) -> None:
        """No debugfs: the load fails, says why, and nobody got hold of anything."""
        kernel = subprocess.run([BENCH / "fetch-kernel", SERIES], text=True, check=True,
                                stdout=subprocess.PIPE).stdout.strip()
        folder = subprocess.run([SCRIPTS / "build-module", kernel], text=True, check=True,
                                stdout=subprocess.PIPE).stdout.strip()
        done = subprocess.run(
            [BENCH / "boot", "--kernel", kernel, "--root", "host", "--append", "debugfs=off",
             "--timeout", "120", "--", "sh", "-c", IN_GUEST, "sh",
             f"{folder}/module/tcp_renoscope.ko"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("choosing", done.stdout)
        self.assertNotIn("LOADED", done.stdout)
        self.assertNotIn("CHOSEN", done.stdout)
        self.assertIn("modules: 0", done.stdout)
        self.assertIn("cannot make a folder in debugfs", done.stdout)
        self.assertRegex(done.stdout, r"(?m)^reno cubic$")


if __name__ == "__main__":
    unittest.main()
