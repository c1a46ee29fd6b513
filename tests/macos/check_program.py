#!/usr/bin/env python3
"""Usage: check_program.py PROGRAM VERSION

Fails unless PROGRAM is a Mach-O executable for arm64, or a module (.so) for one, that says it needs macOS VERSION, has a
UUID, and loads no other libraries than a Mac has or the Brewfile brings; a module libmlx too. The program must look for
modules beside itself.
"""
import struct
import sys

ALLOWED = {
    "/usr/lib/libSystem.B.dylib",
    "/usr/lib/libsqlite3.dylib",
    "/System/Library/Frameworks/Accelerate.framework/Versions/A/Accelerate",
    "/opt/homebrew/opt/highway/lib/libhwy.1.dylib",
}
ALLOWED_IN_MODULE = {"/usr/lib/libSystem.B.dylib", "@rpath/libmlx.dylib"}
MAGIC_64, ARM64, EXECUTE, LIBRARY, MACOS = 0xFEEDFACF, 0x0100000C, 2, 6, 1
LOAD_DYLIB, UUID, BUILD_VERSION, RPATH = 0xC, 0x1B, 0x32, 0x8000001C
WEAK_DYLIB, REEXPORT_DYLIB = 0x80000018, 0x8000001F


def text_of(data, at, length):
    """The text of a load command that holds where it begins as its first field."""
    (start,) = struct.unpack_from("<I", data, at + 8)
    return data[at + start:at + length].split(b"\0")[0].decode()


def problems_of(data, version, is_module=False):
    """What is wrong with the program, one text each."""
    if len(data) < 32:
        return ["is shorter than a Mach-O header"]
    magic, cpu, _, kind, count, size, _, _ = struct.unpack_from("<8I", data)
    if magic != MAGIC_64:
        return [f"is no Mach-O file of 64 bits (magic {magic:#x})"]
    found = []
    if cpu != ARM64:
        found.append(f"is for CPU type {cpu:#x}, not arm64")
    if kind != (LIBRARY if is_module else EXECUTE):
        found.append(f"is of file type {kind}, no {'module' if is_module else 'executable'}")
    at, end, libraries, folders, seen = 32, 32 + size, set(), set(), set()
    for _ in range(count):
        if at + 8 > min(end, len(data)):
            return found + ["ends within its load commands"]
        command, length = struct.unpack_from("<2I", data, at)
        if length < 8 or at + length > len(data):
            return found + ["has a load command of impossible length"]
        seen.add(command)
        if command in (LOAD_DYLIB, WEAK_DYLIB, REEXPORT_DYLIB):
            libraries.add(text_of(data, at, length))
        if command == RPATH:
            folders.add(text_of(data, at, length))
        if command == BUILD_VERSION:
            platform, minimum = struct.unpack_from("<2I", data, at + 8)
            text = f"{minimum >> 16}.{minimum >> 8 & 255}"
            if platform != MACOS or text != version:
                found.append(f"needs version {text} of platform {platform}, not macOS {version}")
        at += length
    if UUID not in seen:
        found.append("has no UUID, which is its build id")
    if BUILD_VERSION not in seen:
        found.append("does not say which system it needs")
    if not is_module and "@loader_path" not in folders:
        found.append("does not look for modules beside itself")
    allowed = ALLOWED_IN_MODULE if is_module else ALLOWED
    found += [f"loads {library}, which is not allowed" for library in sorted(libraries - allowed)]
    return found


if __name__ == "__main__":
    program, needed = sys.argv[1:]
    with open(program, "rb") as file:
        wrong = problems_of(file.read(), needed, program.endswith(".so"))
    for problem in wrong:
        print(f"{program} {problem}", file=sys.stderr)
    if wrong:
        sys.exit(1)
    print(f"{program}: Mach-O arm64 for macOS {needed}, with allowed libraries alone")
