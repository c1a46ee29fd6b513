#!/usr/bin/env python3
"""certificates_test.py PROGRAM: the certificates of docs/dispatch are read by the program, and docs/dispatch.md says what they say."""
import gzip
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = sys.argv.pop(1)


class Certificates(unittest.TestCase):
    def test_are_read_and_quoted(self):
        files = sorted((ROOT / "docs/dispatch").glob("*.json.gz"))
        self.assertEqual(len(files), 3)
        document = (ROOT / "docs/dispatch.md").read_text()
        for file in files:
            text = gzip.decompress(file.read_bytes())
            with tempfile.TemporaryDirectory() as folder:
                profile = pathlib.Path(folder) / "profile.json"
                profile.write_bytes(text)
                done = subprocess.run([PROGRAM, "analyze", ROOT / "tests/data/format1.db", "--profile", profile, "--json"],
                                      capture_output=True, text=True)
            self.assertIn(done.returncode, (0, 3), done.stderr)
            certificate = json.loads(done.stdout)["profile"]["certificate"]
            self.assertIn(certificate.get("problem", ""), document)
            told = certificate["summaries"][0]
            (summary,) = json.loads(text)["certificate"]["summaries"]
            self.assertEqual(told["regret"], summary["regret"])
            self.assertEqual(summary["problems"], 200)
            for regret in (summary["regret"], summary["naive_regret"]):
                self.assertIn("{:.2f} % [{:.2f}, {:.2f}]".format(*(100 * regret[key] for key in ("estimate", "low", "high"))), document)
            self.assertIn(f"{100 * summary['half_difference']:.2f} %", document)
            self.assertIn(f"{summary['shown_faster']} of 200", document)


unittest.main()
