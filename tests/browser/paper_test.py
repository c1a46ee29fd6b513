"""The paper and the drawn figures, from a summary."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import typst

from summaries import SOURCE, changed, kernel_of, summary_of_stores, write

sys.path.insert(0, str(SOURCE / "report"))
from figures import load_figures, panels  # noqa: E402
from render import lay_out_paper  # noqa: E402


def numbers_in_paper(folder, file):
    """What the paper shows as numbers, in the order of its pages; drawn without its figures."""
    import json
    lay_out_paper(file, [], Path(folder))
    return json.loads(typst.query(f"{folder}/paper.typ", "<number>", field="value", root=str(folder)))


class Paper(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.summary = summary_of_stores(self.folder)

    def render(self, *arguments):
        return subprocess.run([sys.executable, str(SOURCE / "report/render.py"), *map(str, arguments)],
                              capture_output=True, text=True)

    def test_is_typeset_with_every_figure_in_three_formats(self):
        out = Path(self.folder) / "out"
        done = self.render(write(self.folder, "s.json", self.summary), "--out", out)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(str(out / "paper.pdf"), done.stdout)
        self.assertTrue((out / "paper.pdf").read_bytes().startswith(b"%PDF-"))
        for name, spec in load_figures():
            drawn = {f.suffix for f in (out / "figures").glob(f"{name}-*")}
            is_there = any(panels(self.summary, spec))  # no other engine was measured in these stores
            self.assertEqual(drawn, {".pdf", ".svg", ".png"} if is_there else set(), name)
            self.assertTrue(is_there or spec["usermeta"]["table"] == "peers", name)

    def test_a_changed_number_changes_where_it_stands_and_nowhere_else(self):
        before = numbers_in_paper(f"{self.folder}/a", write(self.folder, "a.json", self.summary))
        after = numbers_in_paper(f"{self.folder}/b", write(self.folder, "b.json", changed(self.summary)))
        differing = [i for i, (x, y) in enumerate(zip(before, after, strict=True)) if x != y]
        self.assertEqual(len(differing), 1)
        shown = float(before[differing[0]].split()[0]) * {"µs": 1e-6, "ms": 1e-3, "s": 1}[
            [w for w in before[differing[0]].split() if w in ("µs", "ms", "s")][0]]
        self.assertAlmostEqual(shown / kernel_of(self.summary)["seconds"]["estimate"], 1, places=2)

    def test_figures_bind_the_rows_of_their_panel(self):
        seconds = {(r["run"], r["cell_id"], r["kernel"]): r["seconds"] for r in self.summary["tables"]["kernels"]}
        for name, spec in load_figures():
            with self.subTest(figure=name):
                found = list(panels(self.summary, spec))
                self.assertEqual(len(found) > 0, spec["usermeta"]["table"] != "peers")
                for panel in found:
                    for row in [] if panel["run"] == "" else panel["spec"]["datasets"]["kernels"]:  # of all runs
                        self.assertEqual((row["run"], row["group"]), (panel["run"], panel["group"]))
                        self.assertEqual(row["seconds"], seconds[row["run"], row["cell_id"], row["kernel"]])

    def test_says_what_is_wrong_with_a_file(self):
        for text, problem in (("{", "s.json"), ("{}", "is no summary"), ('{"format": "attnbench-summary", "version": 9}', "version 9")):
            file = Path(self.folder) / "s.json"
            file.write_text(text)
            done = self.render(file, "--out", f"{self.folder}/out")
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(problem, done.stderr)
            self.assertNotIn("Traceback", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
