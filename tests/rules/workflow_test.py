#!/usr/bin/env python3
"""Usage: workflow_test.py SOURCE_DIR ATTNBENCH

A workflow for hosted Macs cannot run here. What a Linux shell can tell of its steps is asked of each: whether it parses, and
whether what it names is there: targets of make, commands, options and studies of the program, scripts, what is uploaded."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path


def run_steps(text):
    """The script of each `run:`; of a block those lines that are indented more than its key."""
    lines = text.splitlines()
    for i, line in enumerate(lines):
        found = re.match(r"( *)(?:- )?run: *(.*)", line)
        if not found:
            continue
        indent, script = len(found[1]), found[2]
        if script == "|":
            block = []
            for inner in lines[i + 1:]:
                if inner.strip() and len(inner) - len(inner.lstrip()) <= indent:
                    break
                block.append(inner)
            script = "\n".join(block)
        yield script


def with_defaults(text):
    """${{ inputs.NAME }} as its default."""
    defaults = dict(re.findall(r"(?m)^      (\w+):\n(?:        .*\n)*?        default: (.*)$", text))
    return re.sub(r"\$\{\{ *inputs\.(\w+) *\}\}", lambda found: defaults[found[1]], text)


def succeeds(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, **options).returncode == 0


class Checker:
    def __init__(self, source, program):
        self.source, self.program = source, program
        self.studies = [study["name"] for study in json.loads(self.output("list", "--studies", "--json"))["studies"]]

    def output(self, *words):
        return subprocess.run([self.program, *words], capture_output=True, text=True, check=True).stdout

    def program_problems(self, words):
        if words[0] not in re.findall(r"(?m)^  (\w+) ", self.output("--help")):
            yield f"attnbench has no command {words[0]}"
            return
        offered = re.findall(r"--[a-z-]+", self.output(words[0], "--help"))
        for word in words[1:]:
            option = word.split("=")[0]
            if option.startswith("--") and option not in offered:
                yield f"attnbench {words[0]} has no option {option}"
        if words[0] == "run" and not words[1].startswith("-") and words[1] not in self.studies:
            yield f"there is no study {words[1]}"

    def command_problems(self, words):
        if words[0] == "make":
            for target in words[1:]:
                if not succeeds("make", "--dry-run", target, cwd=self.source):
                    yield f"make has no target {target}"
        elif words[0].endswith("/attnbench"):
            yield from self.program_problems(words[1:])
        elif words[0].startswith("tools/") and not os.access(self.source / words[0], os.X_OK):
            yield f"{words[0]} is no program"

    def problems(self, text):
        text = with_defaults(text)
        scripts = list(run_steps(text))
        if not scripts:
            yield "no step was found"
        packed = []
        for script in scripts:
            if not succeeds("bash", "-n", input=script):
                yield f"bash cannot read: {script}"
                continue
            for command in re.split(r"\|\||&&|[;\n|]", script):
                words = shlex.split(command)
                if words:
                    yield from self.command_problems(words)
                    if words[0] == "tools/pack_store.sh":
                        packed.append(re.sub(r"\.db$", ".tar.gz", words[1]))
        for path in re.findall(r"(?m)^ +path: (.*)$", text):
            if path not in packed:
                yield f"{path} is uploaded, and no step makes it"


def main():
    checker = Checker(Path(sys.argv[1]), sys.argv[2])
    text = (checker.source / ".github/workflows/mac.yml").read_text()
    faults = list(checker.problems(text))
    # What would be a fault is seen as one.
    for was, planted in (("make build", "make bild"), ("make test-mac", "make test-macs"), ("attnbench verify --all", "attnbench verify --everything"),
                         ("attnbench env", "attnbench environment"), ("default: paper", "default: papers"),
                         ("tools/pack_store.sh", "tools/pack_stores.sh"), ("results/mac.tar.gz", "results/mac.zip"),
                         ("|| [ $? -eq 3 ]", "|| ( [ $? -eq 3 ]")):
        if was not in text or not list(checker.problems(text.replace(was, planted))):
            faults.append(f"'{planted}' in place of '{was}' is not seen")
    sys.exit("\n".join(faults) or None)


main()
