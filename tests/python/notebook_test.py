"""Executes examples/notebook/study.ipynb, cell by cell, and compares what it finds with numbers taken from its data here.

Usage: notebook_test.py ATTNBENCH. Needs the installed module, pandas and matplotlib.
"""

import csv
import gzip
import json
import math
import os
import pathlib
import statistics
import sys
import unittest

NOTEBOOK = pathlib.Path(__file__).resolve().parents[2] / "examples/notebook/study.ipynb"
os.environ["ATTNBENCH_PROGRAM"] = str(pathlib.Path(sys.argv.pop(1)).absolute())
os.environ["MPLBACKEND"] = "Agg"


class Notebook(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cells = json.loads(NOTEBOOK.read_text())["cells"]
        os.chdir(NOTEBOOK.parent)
        cls.found = {}
        for number, cell in enumerate(cls.cells, 1):
            if cell["cell_type"] == "code":
                exec(compile("".join(cell["source"]), f"cell {number}", "exec"), cls.found)
        with gzip.open(cls.found["DATA"], "rt", newline="") as text:
            cls.rows = list(csv.DictReader(text))

    def medians(self, role, mechanism, params, kernel, seqlen):
        """Seconds by process."""
        of_process = {}
        for row in self.rows:
            if (row["role"], row["mechanism"], row["params"], row["kernel"], row["seqlen_q"], row["valid"]) == (
                    role, mechanism, params, kernel, seqlen, "true"):
                of_process.setdefault(row["process"], []).append(float(row["time_seconds"]))
        return {process: statistics.median(times) for process, times in of_process.items()}

    def test_ten_cells_without_outputs(self):
        self.assertEqual(len(self.cells), 10)
        for cell in self.cells[1:]:
            self.assertEqual((cell["outputs"], cell["execution_count"]), ([], None))

    def test_the_noise(self):
        self.assertEqual(len(self.found["rejected"]), 11)  # of 131, as data/README.md has it
        baseline, alias = (self.medians(role, "mha", "", "unfused", "512") for role in ("kernel", "alias"))
        self.assertEqual(len(baseline), 30)
        logs = [math.log(baseline[process] / alias[process]) for process in baseline]
        row = self.found["aa"].loc[512]
        self.assertAlmostEqual(row["A/A"], math.exp(statistics.mean(logs)), places=9)
        self.assertAlmostEqual(row["spread, a factor"], math.exp(statistics.stdev(logs)), places=9)

    def test_the_table_and_the_ratios(self):
        gather = statistics.geometric_mean(self.medians("kernel", "swa", "w=64", "gather", "256").values())
        baseline = statistics.geometric_mean(self.medians("kernel", "mha", "", "unfused", "256").values())
        self.assertAlmostEqual(self.found["seconds"].loc["swa(w=64)/gather@cpu", 256] / gather, 1, places=9)
        self.assertAlmostEqual(self.found["ratios"].loc["swa(w=64)/gather@cpu", 256] / (baseline / gather), 1, places=9)
        judged = self.found["judged"]
        self.assertEqual(judged.shape, self.found["ratios"].shape)
        self.assertFalse(judged.isna().any(axis=None))

    def test_the_figure(self):
        axes = self.found["figure"].axes[0]
        labels = [text.get_text() for text in axes.get_legend().get_texts()]
        self.assertEqual(len(labels), 4)
        line = axes.containers[labels.index("swa(w=64)/gather@cpu")].lines[0]
        self.assertEqual(list(line.get_xdata()), [128, 256, 512, 1024])
        self.assertEqual(list(line.get_ydata()), list(self.found["judged"].loc["swa(w=64)/gather@cpu"]))


if __name__ == "__main__":
    unittest.main()
