#!/usr/bin/env python3
"""Gives check_program.py executables put together here, after Apple's mach-o/loader.h: a right one and wrong ones."""
import struct
import unittest

from check_program import problems_of

SYSTEM = "/usr/lib/libSystem.B.dylib"


def dylib(name, command=0xC):
    text = name.encode() + b"\0"
    text += b"\0" * (-len(text) % 8)
    return struct.pack("<6I", command, 24 + len(text), 24, 0, 0, 0) + text


def needs(major, minor, platform=1):
    return struct.pack("<6I", 0x32, 24, platform, major << 16 | minor << 8, 0, 0)


def rpath(folder):
    text = folder.encode() + b"\0"
    text += b"\0" * (-len(text) % 4)
    return struct.pack("<3I", 0x8000001C, 12 + len(text), 12) + text


BESIDE = rpath("@loader_path")
UUID = struct.pack("<2I", 0x1B, 24) + bytes(range(16))


def program(*commands, magic=0xFEEDFACF, cpu=0x0100000C, kind=2):
    body = b"".join(commands)
    return struct.pack("<8I", magic, cpu, 0, kind, len(commands), len(body), 0, 0) + body


class CheckProgram(unittest.TestCase):
    def expect(self, data, *problems, is_module=False):
        self.assertEqual(problems_of(data, "14.0", is_module), list(problems))

    def test_a_right_one(self):
        self.expect(program(UUID, needs(14, 0), BESIDE, dylib(SYSTEM)))

    def test_other_files(self):
        self.expect(b"#!/bin/sh", "is shorter than a Mach-O header")
        self.expect(b"\x7fELF" + bytes(60), "is no Mach-O file of 64 bits (magic 0x464c457f)")
        self.expect(program(UUID, needs(14, 0), BESIDE, cpu=0x01000007), "is for CPU type 0x1000007, not arm64")
        self.expect(program(UUID, needs(14, 0), BESIDE, kind=6), "is of file type 6, no executable")

    def test_another_system(self):
        self.expect(program(UUID, needs(15, 1), BESIDE), "needs version 15.1 of platform 1, not macOS 14.0")
        self.expect(program(UUID, needs(14, 0, platform=2), BESIDE), "needs version 14.0 of platform 2, not macOS 14.0")
        self.expect(program(UUID, BESIDE), "does not say which system it needs")

    def test_no_build_id(self):
        self.expect(program(needs(14, 0), BESIDE), "has no UUID, which is its build id")

    def test_libraries(self):
        for command in (0xC, 0x80000018, 0x8000001F):
            self.expect(program(UUID, needs(14, 0), BESIDE, dylib("/usr/local/lib/libomp.dylib", command)),
                        "loads /usr/local/lib/libomp.dylib, which is not allowed")

    def test_where_modules_are(self):
        for folders in ((), (rpath("$ORIGIN"),)):
            self.expect(program(UUID, needs(14, 0), *folders), "does not look for modules beside itself")

    def test_module(self):
        right = (UUID, needs(14, 0), dylib(SYSTEM), dylib("@rpath/libmlx.dylib"))
        self.expect(program(*right, kind=6), is_module=True)
        self.expect(program(*right), "is of file type 2, no module", is_module=True)
        self.expect(program(*right, dylib("/usr/lib/libsqlite3.dylib"), kind=6),
                    "loads /usr/lib/libsqlite3.dylib, which is not allowed", is_module=True)

    def test_damaged_commands(self):
        whole = program(UUID, needs(14, 0))
        self.expect(whole[:70], "has a load command of impossible length")
        self.expect(whole[:60], "ends within its load commands")
        self.expect(whole[:34], "ends within its load commands")
        self.expect(program(struct.pack("<2I", 0x1B, 0)), "has a load command of impossible length")


if __name__ == "__main__":
    unittest.main()
