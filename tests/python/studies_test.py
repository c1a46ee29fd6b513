"""load(), analyze() and run() against numbers taken from the files themselves.

Usage: studies_test.py ATTNBENCH [--installed]. --installed: of the installed module, with pandas and polars; else of the
sources, without what is compiled.
"""

import contextlib
import csv
import gzip
import io
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import types
import unittest

PROGRAM, SOURCE = pathlib.Path(sys.argv[1]).absolute(), pathlib.Path(__file__).resolve().parents[2]
INSTALLED = "--installed" in sys.argv[2:]
del sys.argv[1:]
os.environ["ATTNBENCH_PROGRAM"] = str(PROGRAM)
if not INSTALLED:
    import from_sources

import attnbench

LAYER = SOURCE / "data/paper-layer-f32-zen3.csv.gz"
PUBLISHED = SOURCE / "data/m4_mlx_published.csv"
SMALL = SOURCE / "tests/data/format1.csv"


def rows_of(file):
    opened = gzip.open(file, "rt", newline="") if file.suffix == ".gz" else open(file, newline="")
    with opened as text:
        return list(csv.DictReader(text))


def in_microseconds(seconds):
    return round(seconds * 1e6, 6)


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def environment(self, name, value):
        old = os.environ.get(name)
        self.addCleanup(lambda: os.environ.pop(name, None) if old is None else os.environ.__setitem__(name, old))
        os.environ[name] = value


class Load(Folder):
    def check_types(self, row):
        for name, kind in dict(machine=str, process=int, block=int, seqlen_q=int, softmax_scale=float, causal=bool,
                               num_kv_heads=int, time_seconds=float, valid=bool, reason=str).items():
            self.assertIs(type(row[name]), kind, name)

    def test_an_export_is_what_its_file_says(self):
        expected = rows_of(LAYER)
        samples = attnbench.load(LAYER, as_="records")
        self.assertEqual(len(samples), len(expected))
        self.assertEqual(list(samples[0]), list(expected[0]))
        self.check_types(samples[0])

        def median(rows, number, valid):
            return statistics.median(number(row["time_seconds"]) for row in rows
                                     if row["mechanism"] == "swa" and row["params"] == "w=64" and row["kernel"] == "gather"
                                     and row["role"] == "kernel" and row["valid"] == valid and int(row["seqlen_q"]) == 256)
        self.assertEqual(median(samples, float, True), median(expected, float, "true"))
        self.assertEqual(sum(row["valid"] for row in samples), sum(row["valid"] == "true" for row in expected))
        sentinel = next(row for row in samples if row["role"] == "sentinel")
        self.assertEqual((sentinel["mechanism"], sentinel["num_kv_heads"], sentinel["causal"]), ("", None, None))

    def test_a_store_is_its_export(self):
        expected = attnbench.load(SMALL, as_="records")
        self.assertGreater(len(expected), 10)
        for row in expected:  # an export bears the name of the machine as the program that wrote it formed it
            row["machine"] = "AMD EPYC (AVX-512), 2 CPUs"
        self.assertEqual(attnbench.load(SOURCE / "tests/data/format1.db", as_="records"), expected)

    def test_published_means(self):
        expected = rows_of(PUBLISHED)
        samples = attnbench.load(str(PUBLISHED), as_="records")
        self.assertEqual(sorted(in_microseconds(row["time_seconds"]) for row in samples),
                         sorted(in_microseconds(float(row["msPerIter"]) / 1000) for row in expected))
        self.assertEqual({row["machine"] for row in samples}, {"Apple M4 (published)"})

    def test_damaged_files_are_named_with_what_is_wrong(self):
        text = SMALL.read_text()
        first = text.splitlines()[1]
        packed = gzip.compress(text.encode())
        for name, content, words in (
            ("fields.csv", text + "AMD,cpu\n", r"fields\.csv', sample \d+: has 2 fields, not 32"),
            ("number.csv", text.replace(first, first.replace("linear,,fused,cpu,avx512,1", "linear,,fused,cpu,avx512,one")),
             r"number\.csv', sample 1: threads: 'one' is no int"),
            ("flag.csv", text.replace(first, first.replace(",true,", ",yes,")), r"sample 1: valid: 'yes' is no bool"),
            ("quote.csv", text + '"AMD', r"quote\.csv' is damaged"),
            ("cut.csv.gz", packed[:-20], r"cut\.csv\.gz' is damaged"),
            ("not_packed.csv.gz", text, r"not_packed\.csv\.gz' cannot be read: .*gzip"),
            ("bytes.csv", b"\xff\xfe\xfa", r"bytes\.csv' is no text"),
            ("other.csv", "a,b\n1,2\n", r"other\.csv"),
            ("other.db", "no store", r"other\.db"),
        ):
            file = self.folder / name
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
            with self.subTest(name), self.assertRaisesRegex(attnbench.InputError, words):
                attnbench.load(file, as_="records")
        for name in ("absent.csv", "absent.db"):
            with self.subTest(name), self.assertRaisesRegex(attnbench.InputError, name):
                attnbench.load(self.folder / name, as_="records")

    def test_what_makes_the_frame(self):
        with self.assertRaisesRegex(attnbench.InputError, "'arrow' is none of pandas, polars, records"):
            attnbench.load(SMALL, as_="arrow")
        there = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in ("pandas", "polars")}
        for name in there:
            del sys.modules[name]
        self.addCleanup(sys.modules.update, there)
        absent = {"pandas": "pandas", "polars": "polars"}  # what cannot be imported, and what is missing for it
        finder = types.SimpleNamespace(find_spec=lambda name, *_: self.refuse(absent.get(name)))
        sys.meta_path.insert(0, finder)
        self.addCleanup(sys.meta_path.remove, finder)
        with self.assertRaisesRegex(ImportError, "pandas or polars.*records"):
            attnbench.load(SMALL)
        absent["pandas"] = "part_of_pandas"
        with self.assertRaisesRegex(ImportError, "part_of_pandas"):
            attnbench.load(SMALL)
        sys.modules["pandas"] = types.ModuleType("pandas")
        self.addCleanup(sys.modules.pop, "pandas")
        with self.assertRaisesRegex(ImportError, "with polars,"):
            attnbench.load(SMALL, as_="polars")

    @staticmethod
    def refuse(missing):
        if missing is not None:
            raise ModuleNotFoundError(f"no {missing}", name=missing)

    @unittest.skipUnless(INSTALLED, "needs pandas and polars")
    def test_pandas_and_polars_hold_the_same(self):
        import pandas
        import polars
        expected = attnbench.load(LAYER, as_="records")
        frame = attnbench.load(LAYER)
        self.assertIsInstance(frame, pandas.DataFrame)
        self.assertEqual([str(frame[name].dtype) for name in ("process", "num_kv_heads", "softmax_scale", "causal", "valid")],
                         ["int64", "Int64", "float64", "boolean", "bool"])
        other = attnbench.load(LAYER, as_="polars")
        self.assertEqual(other.schema["causal"], polars.Boolean)
        self.assertEqual(other.to_dicts(), expected)
        for name in expected[0]:
            self.assertEqual([None if pandas.isna(value) else value for value in frame[name]], [row[name] for row in expected],
                             name)
        self.assertAlmostEqual(
            frame[frame.valid & (frame.role == "sentinel")].time_seconds.median(),
            statistics.median(float(row["time_seconds"]) for row in rows_of(LAYER)
                              if row["valid"] == "true" and row["role"] == "sentinel"))
        self.assertEqual(list(attnbench.load(PUBLISHED, as_="pandas").columns), list(frame.columns))


class Analyze(Folder):
    def test_the_seconds_are_those_of_the_samples(self):
        analysis = attnbench.analyze(LAYER)  # which is publishable in part: no exception
        self.assertEqual(analysis["format"], "attnbench-summary")
        self.assertEqual(analysis["runs"][0]["publishable"], "in part")
        by_process = {}
        for row in rows_of(LAYER):
            if (row["role"], row["valid"], row["mechanism"], row["kernel"], row["seqlen_q"]) == (
                    "kernel", "true", "mqa", "unfused", "512"):
                by_process.setdefault(row["process"], []).append(float(row["time_seconds"]))
        self.assertGreaterEqual(len(by_process), 10)
        judged = sorted(by_process, key=int)[:10]
        expected = statistics.geometric_mean(statistics.median(by_process[process]) for process in judged)
        (row,) = [row for row in analysis["tables"]["kernels"] if row["kernel"] == "mqa/unfused@cpu" and row["seqlen"] == 512]
        self.assertAlmostEqual(row["seconds"] / expected, 1, places=9)
        self.assertLess(row["seconds_low"], expected)
        self.assertGreater(row["seconds_high"], expected)

    def test_several_stores_are_runs_side_by_side(self):
        analysis = attnbench.analyze(PUBLISHED, SOURCE / "tests/data/format1.db", SMALL)
        self.assertEqual([run["machine"].split()[0] for run in analysis["runs"]], ["Apple", "AMD", "AMD"])

    def test_what_is_wrong_is_said_by_the_program(self):
        alone = self.folder / "alone.csv.gz"
        shutil.copy(LAYER, alone)
        with self.assertRaisesRegex(attnbench.InputError, r"alone\.env\.json.* is missing"):
            attnbench.analyze(alone)
        with self.assertRaisesRegex(attnbench.InputError, "STORE"):
            attnbench.analyze()

    def test_the_program(self):
        self.environment("ATTNBENCH_PROGRAM", str(self.folder / "absent"))
        with self.assertRaisesRegex(FileNotFoundError, "absent, which ATTNBENCH_PROGRAM names"):
            attnbench.analyze(SMALL)
        os.environ.pop("ATTNBENCH_PROGRAM")
        self.environment("PATH", str(self.folder))
        with self.assertRaisesRegex(FileNotFoundError, "on PATH.*make build"):
            attnbench.analyze(SMALL)
        (self.folder / "attnbench").symlink_to(PROGRAM)
        self.assertEqual(len(attnbench.analyze(SMALL)["runs"]), 1)


class Run(Folder):
    SHORT = dict(seqlen=[64], dtype="f32", scope="core", threads=1, mechanism=("mha", "linear"), processes=1, blocks=2,
                 accept_noise=True, ceilings=os.environ.get("ATTNBENCH_TEST_CEILINGS"))

    def measured(self, study, **options):
        with contextlib.redirect_stderr(io.StringIO()) as said:
            try:
                return attnbench.run(study, out=self.folder / "run.db", **options)
            finally:
                self.said = said.getvalue()

    def program(self, script, shell="/bin/sh"):
        file = self.folder / "program"
        file.write_text(f"#!{shell}\n{script}")
        file.chmod(0o755)
        self.environment("ATTNBENCH_PROGRAM", str(file))

    def test_a_study_is_measured_loaded_and_analyzed(self):
        store = self.measured("smoke", **self.SHORT)
        self.assertEqual(store, self.folder / "run.db")
        self.assertTrue(self.said)
        samples = attnbench.load(store, as_="records")
        self.assertEqual(samples, attnbench.load(store.with_suffix(".csv"), as_="records"))
        slots = [row for row in samples if row["role"] == "kernel" and row["mechanism"] == "linear" and row["kernel"] == "two_gemm"
                 and row["engine"] == "cpu"]
        self.assertEqual([row["block"] for row in slots], [0, 1])
        kernels = attnbench.analyze(store)["tables"]["kernels"]
        (row,) = [row for row in kernels if row["kernel"] == "linear/two_gemm@cpu"]
        self.assertAlmostEqual(row["seconds"], statistics.median(slot["time_seconds"] for slot in slots), delta=row["seconds"] * 1e-9)

    def test_what_is_not_known_is_refused(self):
        for options, words in ((dict(seqlens=64), "--seqlens.*is not one of run.*--seqlen"),
                               (dict(dtype="f33"), "f33"), (dict(processes=0), "processes")):
            with self.subTest(words), self.assertRaisesRegex(attnbench.InputError, words):
                self.measured("smoke", **options)
        with self.assertRaisesRegex(attnbench.InputError, "smok"):
            self.measured("smok")
        with self.assertRaisesRegex(attnbench.InputError, "--dry-run measures nothing"):
            self.measured("smoke", dry_run=True)
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_words_and_exit_codes(self):
        self.program('echo "$@" > words; touch run.db; echo "attnbench: a kernel was wrong" >&2; exit 4\n')
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder)
        with self.assertRaisesRegex(attnbench.ProgramError, "^attnbench ended with 4: a kernel was wrong$") as raised:
            self.measured("smoke", kv_heads=range(1, 3), batch=2, causal=True, quiet=False, budget="20m", seed=None)
        self.assertEqual((raised.exception.exit_code, raised.exception.store), (4, self.folder / "run.db"))
        self.assertEqual((self.folder / "words").read_text().split(),
                         ["run", "smoke", f"--out={self.folder}/run.db", "--kv-heads=1,2", "--batch=2", "--causal", "--budget=20m"])
        self.assertEqual(self.said, "attnbench: a kernel was wrong\n")
        self.program("kill -KILL $$\n")
        with self.assertRaises(attnbench.ProgramError) as raised:
            attnbench.analyze(SMALL)
        self.assertEqual((raised.exception.exit_code, raised.exception.store), (-9, None))

    def test_an_interrupt_lets_the_program_end_in_order(self):
        # Of two signals at once a program may see one: that the terminal's does not reach it shows in its session.
        self.program("import os, signal, sys\n"
                     "signal.signal(signal.SIGINT, lambda *_: sys.exit(f'kept; session {os.getsid(0) - os.getpid()}'))\n"
                     "print('measuring', file=sys.stderr, flush=True)\nsignal.pause()\n", shell=sys.executable)
        script = ("try:\n    attnbench.run('smoke', out='absent.db')\nexcept KeyboardInterrupt:\n    print('interrupted')\n")
        imports = "import attnbench\n" if INSTALLED else "import from_sources, attnbench\n"
        process = subprocess.Popen([sys.executable, "-c", imports + script], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, cwd=pathlib.Path(__file__).parent, start_new_session=True)
        self.assertEqual(process.stderr.readline(), "measuring\n")
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        printed, said = process.communicate(timeout=60)
        self.assertEqual((printed, said), ("interrupted\n", "kept; session 0\n"))

    @unittest.skipUnless(INSTALLED, "needs pandas")
    def test_the_documented_example(self):
        documented = (SOURCE / "docs/dispatch.md").read_text()
        _, example = re.findall(r"```python\n(.*?)```", documented, re.S)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder)
        with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.redirect_stderr(io.StringIO()):
            exec(example, {})
        self.assertRegex(printed.getvalue(), r"(?s)mechanism +kernel.*two_gemm")
        self.assertIn("mha/unfused@cpu", printed.getvalue())


if __name__ == "__main__":
    unittest.main()
