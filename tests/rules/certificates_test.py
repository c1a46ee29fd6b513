#!/usr/bin/env python3
"""certificates_test.py PROGRAM: the certificates of docs/dispatch are read by the program, and docs/dispatch.md says what they say."""
import gzip
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = sys.argv.pop(1)


class Certificates(unittest.TestCase):
    def test_are_read_and_quoted(self):
        files = [ROOT / f"docs/dispatch/{name}.json.gz" for name in ("zen4", "xeon-amx", "xeon-amx-32")]  # columns of the table
        self.assertEqual(sorted((ROOT / "docs/dispatch").glob("*.json.gz")), sorted(files))
        document = (ROOT / "docs/dispatch.md").read_text()
        summaries = []
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
            summaries.append(summary)

        def quote(row, text_of):
            """The cells of the row begin with what text_of makes of each summary."""
            cells = re.search(rf"^\| {re.escape(row)} \| (.*) \|$", document, re.M)[1].split(" | ")
            self.assertEqual(len(cells), len(summaries))
            for cell, summary in zip(cells, summaries):
                self.assertRegex(cell, rf"^{re.escape(text_of(summary))}(,|$)", row)

        def interval(key, form, factor=1):
            return lambda s: form.format(*(factor * s[key][bound] for bound in ("estimate", "low", "high")))

        for row, key in (("mean regret, cross-fitted", "regret"), ("mean regret, naive", "naive_regret")):
            quote(row, interval(key, "{:.2f} % [{:.2f}, {:.2f}]", 100))
        for row, key in (("time of the default / of the choice", "gain_over_default"),
                         ("time of the best single choice / of the choice", "gain_over_fixed")):
            quote(row, interval(key, "{:.3f} [{:.3f}, {:.3f}]"))
        quote("two halves of the measurements apart, median", lambda s: f"{100 * s['half_difference']:.2f} %")
        quote("another kernel shown to be more than 8 % faster", lambda s: f"{s['shown_faster']} of 200")
        quote("shown to be slower than the default", lambda s: f"{s['slower_than_default']} of 200")
        differs = [s["not_the_default"] for s in summaries]
        self.assertIn("the choice differs in {}, {} and {} of 200 problems".format(*differs), document)


unittest.main()
