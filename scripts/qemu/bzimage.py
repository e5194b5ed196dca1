# SPDX-License-Identifier: GPL-2.0
"""Take the kernel proper out of a bzImage, so that no guest has to unpack it.

Under emulation a kernel spends up to three seconds unpacking itself, at every
boot.  QEMU can start the unpacked kernel directly if it was built with
CONFIG_PVH.  Where the payload is: Documentation/arch/x86/boot.rst in the
kernel, "The Real-Mode Kernel Header".
"""

from __future__ import annotations

import lzma
import shutil
import struct
import subprocess

SECTOR = 512
SETUP_SECTORS_AT = 0x1F1
MAGIC_AT = 0x202
PAYLOAD_AT = 0x248
# The build appends the unpacked size to the compressed payload.
SIZE_SUFFIX = 4

XZ_MAGIC = b"\xfd7zXZ\0"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
ELF_MAGIC = b"\x7fELF"


def payload(image: bytes) -> bytes:
    """The compressed kernel inside a bzImage, or nothing if it is no bzImage."""
    if image[MAGIC_AT : MAGIC_AT + 4] != b"HdrS":
        return b""
    sectors = image[SETUP_SECTORS_AT] or 4
    offset, length = struct.unpack_from("<II", image, PAYLOAD_AT)
    start = (sectors + 1) * SECTOR + offset
    return image[start : start + length - SIZE_SUFFIX]


def unpack(image: bytes) -> bytes | None:
    """The unpacked kernel, an ELF file, or None where we cannot unpack it."""
    packed = payload(image)
    kernel = None
    if packed.startswith(XZ_MAGIC):
        kernel = lzma.decompress(packed)
    elif packed.startswith(ZSTD_MAGIC) and shutil.which("zstd"):
        kernel = subprocess.run(["zstd", "-dc"], input=packed, stdout=subprocess.PIPE).stdout
    return kernel if kernel and kernel.startswith(ELF_MAGIC) else None
