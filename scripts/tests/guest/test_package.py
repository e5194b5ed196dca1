# SPDX-License-Identifier: GPL-2.0
"""The Debian packages: built, judged, and installed in a scratch root.

There DKMS builds the module for both stock kernels, of which neither runs. What
was installed is left in LAYER, for guests to go on with: use_package.py.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import unittest
from pathlib import Path

from renoscope_lib import VERSION

SCRIPTS = Path(__file__).resolve().parents[2]
ROOT = SCRIPTS.parent
OUT = ROOT / "out" / "test" / "package"
LAYER = OUT / "installed.tar"
SERIES = ("6.1", "6.12")
PACKAGES = tuple(f"{name}_{VERSION}_all.deb" for name in ("renoscope", "renoscope-dkms"))

# The headers of the second kernel come later, as with an upgrade of the kernel.
# What DKMS is told not to build for must be no failure: 77 is its word for that.
IN_SCRATCH_ROOT = r"""
set -eu
first=$1 second=$2 out=$3 version=$4 headers=$5
module=tcp_renoscope/$version
step() { echo "== $*"; }
says() { # WHAT COMMAND...: the + of a release is no operator
	what=$(echo "$1" | tr + .)
	shift
	"$@" | grep -qE -- "$what" || { "$@"; echo "not said: $what" >&2; exit 1; }
}

step "installed while only $first has headers"
rm "/lib/modules/$second/build"
dpkg -i "$out/renoscope_${version}_all.deb" "$out/renoscope-dkms_${version}_all.deb"
says "$module, $first, .*: installed" dkms status "$module"
[ "$(dkms status "$module" | wc -l)" = 1 ]

step "the headers of $second come"
ln -s "$headers" "/lib/modules/$second/build"
/etc/kernel/header_postinst.d/dkms "$second"
says "$module, $second, .*: installed" dkms status "$module"

step "each kernel's module lies where modprobe looks, and is signed"
for kernel in "$first" "$second"; do
	says "^/lib/modules/$kernel/updates/dkms/tcp_renoscope.ko" \
		modinfo -k "$kernel" -F filename tcp_renoscope
	says "^$version\$" modinfo -k "$kernel" -F version tcp_renoscope
	says "^DKMS module signing key\$" modinfo -k "$kernel" -F signer tcp_renoscope
	says "^$kernel " modinfo -k "$kernel" -F vermagic tcp_renoscope
	says "tcp_renoscope" modprobe -S "$kernel" --show-depends tcp_reno_modern
done

step "kernels that lack something are passed over"
for kernel in 6.1.0-without 5.10.0-old; do
	build=/lib/modules/$kernel/build
	mkdir -p "$build/include"
	grep -v '^CONFIG_DEBUG_FS=' "/lib/modules/$first/build/.config" >"$build/.config"
	[ $kernel = 6.1.0-without ] || cp "/lib/modules/$first/build/.config" "$build/"
	code=0
	dkms build "$module" -k "$kernel" || code=$?
	[ $code = 77 ]
	rm -r "/lib/modules/$kernel"
done

step "nothing of it is active"
[ -z "$(dpkg-query -W -f '${Conffiles}' renoscope renoscope-dkms)" ]
if find /etc/systemd /etc/modprobe.d /etc/sysctl.d /etc/modules* | grep -i renoscope; then
	exit 1
fi

step done
"""


def run(*command: str | Path, cwd: Path = ROOT,
        **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command; both of its outputs in one."""
    return subprocess.run([str(word) for word in command], cwd=cwd, text=True,
                          errors="replace", check=False, stdin=subprocess.DEVNULL,
                          env={**os.environ, **settings}, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)


def copy_of_tree(folder: Path) -> None:
    """What git has or would take, as it lies here."""
    names = run("git", "ls-files", "--cached", "--others", "--exclude-standard")
    for name in names.stdout.splitlines():
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def plant_leftovers(source: Path) -> None:
    """What `make` and Python leave in a tree, and a package must not have."""
    for name in ("module/main.o", "module/tcp_renoscope.ko", "module/.main.o.cmd",
                 "module/tcp_renoscope.mod.c", "module/modules.order",
                 "scripts/renoscope_lib/__pycache__/cli.pyc"):
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).touch()


def setUpModule() -> None:
    """Build the packages once."""
    if not shutil.which("dpkg-buildpackage") or not shutil.which("dh_dkms"):
        raise unittest.SkipTest("the packages dpkg-dev and dh-dkms are not installed")
    shutil.rmtree(OUT, ignore_errors=True)
    source = OUT / f"renoscope-{VERSION}"
    source.mkdir(parents=True)
    copy_of_tree(source)
    plant_leftovers(source)
    done = run("dpkg-buildpackage", "-us", "-uc", "-b", cwd=source,
               SOURCE_DATE_EPOCH="", DEB_BUILD_OPTIONS="")
    if done.returncode:
        raise AssertionError(f"the packages are not built:\n{done.stdout}")


def root_prefix() -> list[str]:
    """What makes a command root's without a question."""
    if os.geteuid() == 0:
        return []
    if run("sudo", "-n", "true").returncode:
        raise unittest.SkipTest("a scratch root needs root, or sudo without a password")
    return ["sudo", "-n"]


class Package(unittest.TestCase):
    def test_lintian_has_no_complaint(self) -> None:
        if not shutil.which("lintian"):
            self.skipTest("the package lintian is not installed")
        changes = next(OUT.glob("*.changes"))
        done = run("lintian", "--allow-root", "--no-cfg", "--fail-on",
                   "error,warning", changes)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_files_lie_where_they_should(self) -> None:
        listed = run("dpkg-deb", "-c", OUT / PACKAGES[0]).stdout
        for name in ("./usr/bin/renoscope -> ../share/renoscope/renoscope",
                     "./usr/share/man/man8/renoscope.8.gz",
                     "./usr/share/man/man5/renoscope.5.gz",
                     "./usr/share/bash-completion/completions/renoscope",
                     "./lib/systemd/system/renoscope-recorder.service",
                     "./usr/share/doc/renoscope/examples/modprobe.d/renoscope.conf",
                     "./usr/share/doc/renoscope/examples/sysctl.d/renoscope.conf",
                     "./usr/share/doc/renoscope/examples/prometheus/renoscope.rules.yml",
                     "./usr/share/doc/renoscope/examples/clickhouse/schema.sql",
                     "./usr/share/doc/renoscope/examples/clickhouse/queries/trust.sql",
                     "./usr/share/doc/renoscope/Documentation/install.rst"):
            self.assertIn(f" {name}\n", listed)
        source = run("dpkg-deb", "-c", OUT / PACKAGES[1]).stdout
        for path in (ROOT / "module").glob("*.[ch]"):
            self.assertIn(f"/usr/src/tcp_renoscope-{VERSION}/module/{path.name}\n",
                          source)
        for text in (listed, source):
            self.assertNotIn(" ./etc/", text)
            self.assertNotRegex(text, r"__pycache__|\.(pyc|ko|o|cmd|mod\.c|order)\n")

    def test_installed_dkms_builds_for_kernels_that_do_not_run(self) -> None:
        if not shutil.which("dkms"):
            self.skipTest("the package dkms is not installed")
        kernels = [run(SCRIPTS / "qemu" / "fetch-kernel", series).stdout.split()[-1]
                   for series in SERIES]
        releases = [(Path(kernel) / "release").read_text().strip()
                    for kernel in kernels]
        done = run(*root_prefix(), SCRIPTS / "tests" / "guest" / "scratch-root",
                   LAYER, *kernels, "--", "sh", "-c", IN_SCRATCH_ROOT, "sh", *releases,
                   OUT, VERSION, Path(kernels[1]) / "build")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("== done", done.stdout)


if __name__ == "__main__":
    unittest.main()
