#!/usr/bin/env python3
"""Usage: readme_test.py SOURCE_DIR. What README.md shows in C++ and C stands, line for line, in the programs that
consumer_test.sh builds and runs. Its Python is run by tests/python/attention_test.py."""

import pathlib
import re
import sys
import textwrap

source = pathlib.Path(sys.argv[1])
blocks = re.findall(r"```(\w+)\n(.*?)```", (source / "README.md").read_text(), re.S)
programs = {"cpp": "attention.cc", "c": "attention.c"}
if sorted(language for language, _ in blocks) != ["c", "cpp", "python"]:
    sys.exit("README.md: one example in C++, C and Python each is expected")
for language, text in blocks:
    if language not in programs:
        continue
    program = f"examples/library/{programs[language]}"
    if textwrap.indent(text, "  ") not in (source / program).read_text():
        sys.exit(f"README.md: its example in {language} is no part of {program}:\n{text}")
