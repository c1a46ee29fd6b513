"""The paper and the drawn figures, from a summary."""

import copy
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import typst

from summaries import SOURCE, as_on_a_mac, changed, kernel_of, on_a_device, summary_of_stores, with_profile, write

sys.path.insert(0, str(SOURCE / "report"))
from figures import load_figures, panels  # noqa: E402
from render import lay_out_paper, promises  # noqa: E402

NOT_THERE = ("peers", "choices", "regrets")  # in these stores: no other engine, no profile


def numbers_in_paper(folder, file):
    """What the paper shows as numbers, in the order of its pages; drawn without its figures."""
    return marked_in_paper(folder, file, "<number>")


def marked_in_paper(folder, file, label):
    lay_out_paper(file, [], Path(folder))
    return json.loads(typst.query(f"{folder}/paper.typ", label, field="value", root=str(folder)))


def without(summary, *, runs=False, times=False, baseline=False, verdicts=False):
    """A copy that lacks what is named, as the program would write it."""
    other = copy.deepcopy(summary)
    measured = [run for run in other["runs"] if run["kind"] != "published"]
    if runs:
        other["runs"] = [run for run in other["runs"] if run not in measured]
        for claim in other["claims"]:
            claim["answers"] = [a for a in claim["answers"] if a["run"] in [run["id"] for run in other["runs"]]]
        measured = []
    for group in [group for run in measured for group in run["groups"]]:
        for row in group["recommendation"]:
            row.update(best_set=[], not_excluded=[], sentence="none")
            row["ratio"] = None if times or baseline else row["ratio"]
        if times or baseline:
            group.update(dense=None, causal_dense=None)
        for cell in group["cells"]:
            cell.update(best_set=[], not_excluded=[], withheld="a reason")
            if baseline:
                cell.update(baseline="", aa=None)
            for kernel in cell["kernels"]:
                kernel.update(verdict=None, verdict_words=None)
                if times or baseline:
                    kernel.update(ratio=None, to_dense=None, is_baseline=False)
                if times:
                    kernel.update(status="not measured", reason="a reason", seconds=None, accuracy=None, cv_between=None)
    if times or runs:
        other["tables"] = {name: [] for name in other["tables"]}
    return other


class Paper(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.summary = summary_of_stores(cls.folder)

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
            self.assertTrue(is_there or spec["usermeta"]["table"] in NOT_THERE, name)

    def test_a_changed_number_changes_where_it_stands_and_nowhere_else(self):
        before = numbers_in_paper(f"{self.folder}/a", write(self.folder, "a.json", self.summary))
        after = numbers_in_paper(f"{self.folder}/b", write(self.folder, "b.json", changed(self.summary)))
        differing = [i for i, (x, y) in enumerate(zip(before, after, strict=True)) if x != y]
        self.assertEqual(len(differing), 1)
        shown = float(before[differing[0]].split()[0]) * {"µs": 1e-6, "ms": 1e-3, "s": 1}[
            [w for w in before[differing[0]].split() if w in ("µs", "ms", "s")][0]]
        self.assertAlmostEqual(shown / kernel_of(self.summary)["seconds"]["estimate"], 1, places=2)

    def test_says_what_a_mac_tells_and_not_what_it_does_not(self):
        numbers = numbers_in_paper(self.folder, write(self.folder, "mac.json", as_on_a_mac(self.summary)))
        self.assertIn("thermal state 'fair'", numbers)
        self.assertFalse([text for text in numbers if "not readable" in str(text)])

    def test_says_what_is_true_of_every_data_set(self):
        judged = copy.deepcopy(self.summary)
        judged["runs"][0]["groups"][0]["cells"][0]["kernels"][0]["verdict"] = "FASTER"
        for name, summary, said in (
                ("verdicts", judged, ["verdicts"]),
                ("no verdicts", without(self.summary, verdicts=True), ["no verdicts"]),
                ("no baseline", without(self.summary, baseline=True), ["no verdicts"]),
                ("no times", without(self.summary, times=True), ["no times"]),
                ("published means alone", without(self.summary, runs=True), ["nothing measured"]),
                ("nothing", {**without(self.summary, runs=True), "runs": [], "claims": []}, ["nothing measured"])):
            with self.subTest(data=name):
                file = write(self.folder, "variant.json", summary)
                self.assertEqual(marked_in_paper(f"{self.folder}/v", file, "<abstract>"), said)
        self.assertEqual(numbers_in_paper(f"{self.folder}/v", file), [])

    def test_tells_of_the_noise_guard_and_the_ceilings_what_the_run_recorded(self):
        numbers = {}
        for name, recorded in (("on", {"noise_guard": "on"}), ("off", {"noise_guard": "off"}),
                               ("before", {"noise_guard": "on", "ceilings_measured_before": {"7": "2026-11-30T20:09:05Z"}})):
            summary = copy.deepcopy(self.summary)
            for run in (run for run in summary["runs"] if run["kind"] != "published"):
                run["environment"].update(recorded)
            numbers[name] = numbers_in_paper(f"{self.folder}/g", write(self.folder, "g.json", summary))
        at = next(i for i, (x, y) in enumerate(zip(numbers["on"], numbers["off"])) if x != y)
        limits = len(numbers["on"]) - len(numbers["off"])  # of steal, pressure, throttled periods and drift
        self.assertEqual((limits, numbers["on"][:at] + numbers["on"][at + limits:]), (4, numbers["off"]))
        at = next(i for i, (x, y) in enumerate(zip(numbers["before"], numbers["on"])) if x != y)
        self.assertEqual((numbers["before"][at], numbers["before"][:at] + numbers["before"][at + 1:]), ("7", numbers["on"]))

    def test_tables_of_settings_cover_all_their_groups(self):
        summary = copy.deepcopy(self.summary)
        run = next(run for run in summary["runs"] if run["kind"] != "published")
        group = copy.deepcopy(run["groups"][0])
        first = group["seqlens"][0]
        group.update(id="other", heading="another shape", cells=group["cells"][:1], seqlens=[first],
                     recommendation=[row for row in group["recommendation"] if row["seqlen"] == first])
        before = numbers_in_paper(f"{self.folder}/h", write(self.folder, "h.json", summary))
        run["groups"].append(group)  # of fewer and shorter N: it adds cells, and takes nothing away
        after = numbers_in_paper(f"{self.folder}/h", write(self.folder, "h.json", summary))
        exponents = [row["exponent"] for row in summary["tables"]["series"] if row["run"] == run["id"] and row["exponent"] is not None]
        self.assertTrue(exponents)
        for exponent in (min(exponents), max(exponents)):
            shown = f"{exponent:.3g}"
            self.assertGreaterEqual(after.count(shown), before.count(shown), shown)
            self.assertIn(shown, [text[:len(shown)] for text in after])

    def test_error_rates_are_those_of_the_methodology(self):
        table = (SOURCE / "docs" / "methodology.md").read_text()
        self.assertGreater(len(promises()), 20)
        for name, result in promises():
            self.assertTrue(f"| {result} |" in table.replace("`", ""), result)
            self.assertTrue(name)

    def test_figures_bind_the_rows_of_their_panel(self):
        seconds = {(r["run"], r["cell_id"], r["kernel"]): r["seconds"] for r in self.summary["tables"]["kernels"]}
        for name, spec in load_figures():
            with self.subTest(figure=name):
                found = list(panels(self.summary, spec))
                self.assertEqual(len(found) > 0, spec["usermeta"]["table"] not in NOT_THERE)
                for panel in found:
                    for row in [] if panel["run"] == "" else panel["spec"]["datasets"]["kernels"]:  # of all runs
                        self.assertEqual((row["run"], row["group"]), (panel["run"], panel["group"]))
                        self.assertEqual(row["seconds"], seconds[row["run"], row["cell_id"], row["kernel"]])

    def test_ratios_to_different_baselines_share_neither_panel_nor_scale(self):
        summary, other, names = copy.deepcopy(self.summary), "mha/other@cpu", set()
        longest = max(row["seqlen"] for row in summary["tables"]["kernels"])
        for row in summary["tables"]["kernels"]:
            if row["seqlen"] == longest and row["ratio"] is not None:
                row["baseline"], row["ratio"] = other, 1e6
        for name, spec in load_figures():
            meta = spec["usermeta"]
            if meta["table"] != "kernels" or "ratio" not in meta["needs"]:
                continue
            names.add(name)
            of = {}
            for panel in panels(summary, spec):
                rows = panel["spec"]["datasets"]["kernels"]
                (baseline,) = {row["baseline"] for row in rows}
                self.assertIn(f"against {baseline}", " ".join(panel["spec"]["title"]["text"]))
                of.setdefault(baseline, set()).add(json.dumps(panel["spec"]["datasets"]["extent"]))
            self.assertGreater(len(of), 1, name)
            for extents in of.values():
                self.assertEqual(len(extents), 1, "panels of one baseline have one scale")
            if "shared" in meta:
                (extent,) = of.pop(other)
                self.assertEqual(json.loads(extent)[1]["y"], 1e6)
                self.assertTrue(all(json.loads(each)[1]["y"] < 1e5 for extents in of.values() for each in extents), name)
        self.assertEqual(names, {"02b-window-ratio", "03-block-sparse", "05-heatmap", "06a-dense"})

    def test_a_device_has_its_own_ceilings(self):
        summary = on_a_device(self.summary)
        roofs = [[(c["device"], c["value"]) for c in panel["spec"]["datasets"]["ceilings"]]
                 for panel in panels(summary, dict(load_figures())["08a-roofline"]) if panel["run"] == summary["runs"][0]["id"]]
        self.assertTrue(roofs)
        for roof in roofs:
            self.assertEqual(roof, [("cuda:0", 5e13), ("cuda:0", 7e12), ("cuda:0", 4e12)])
        summary["runs"][0]["groups"][0]["device"] = "cpu"
        roofs = [panel["spec"]["datasets"]["ceilings"] for panel in panels(summary, dict(load_figures())["08a-roofline"])]
        self.assertIn([("cpu", 1e3), ("cpu", 1e3)], [[(c["device"], c["value"]) for c in roof] for roof in roofs])
        numbers = numbers_in_paper(f"{self.folder}/d", write(self.folder, "d.json", on_a_device(self.summary)))
        for number in ("50.0 TFLOP/s", "4000 GB/s"):
            self.assertIn(number, numbers)

    def test_figures_of_a_profile_bind_its_rows_and_share_their_kernels(self):
        summary = with_profile(self.summary)
        found = {name: list(panels(summary, spec)) for name, spec in load_figures() if spec["usermeta"].get("of") == "profile"}
        self.assertEqual({name: len(drawn) for name, drawn in found.items()}, {"12-choices": 2, "13-regret": 1})
        prefill, decode = (panel["spec"] for panel in found["12-choices"])
        self.assertEqual({row["phase"] for row in prefill["datasets"]["choices"]}, {"prefill"})
        self.assertEqual(prefill["title"]["text"][0], "mha, f32, prefill, 2 threads")
        self.assertEqual(prefill["params"][0]["value"], ["A fused@cpu:avx2", "B fused@cpu:portable", "C unfused@cpu"])
        self.assertEqual(decode["params"], prefill["params"])
        self.assertEqual(found["13-regret"][0]["spec"]["datasets"]["means"], [{"estimate": 0.011, "low": 0.004, "high": 0.018}])
        self.assertEqual(len(found["13-regret"][0]["spec"]["datasets"]["regrets"]), 20)
        subtitles = lambda name: [line for panel in panels(summary, dict(load_figures())[name]) for line in panel["spec"]["title"]["subtitle"]]
        self.assertEqual(subtitles("13-regret"), [])
        summary["profile"]["certificate"]["problem"] = "certified for rule 2"
        self.assertEqual(" ".join(subtitles("13-regret")), "The certificate does not hold here: certified for rule 2.")
        self.assertEqual(subtitles("12-choices"), [])
        summary["profile"].update(runs=[], belongs="of another machine")
        self.assertEqual(subtitles("12-choices")[0], "of another machine")

    def test_tells_what_dispatch_chooses_only_with_a_profile(self):
        without_profile = numbers_in_paper(f"{self.folder}/n", write(self.folder, "n.json", self.summary))
        certified = with_profile(self.summary)
        numbers = numbers_in_paper(f"{self.folder}/p", write(self.folder, "p.json", certified))
        at = next((i for i, (x, y) in enumerate(zip(numbers, without_profile)) if x != y), len(without_profile))
        # 1234 times; not the default in 2 x 3 x 10 of prefill and decode up to 512, less the 7 lengths that decode lacks;
        # ties at 1024; no time at 16384.
        added = numbers[at:at + len(numbers) - len(without_profile)]
        self.assertEqual(added, ["1234", "39", "75", "6", "6", "20", "1.1 % (0.40 %–1.8 %)"])
        changed_mean = copy.deepcopy(certified)
        changed_mean["profile"]["certificate"]["summaries"][0]["regret"]["estimate"] = 0.012
        other = numbers_in_paper(f"{self.folder}/q", write(self.folder, "q.json", changed_mean))
        self.assertEqual([(x, y) for x, y in zip(numbers, other, strict=True) if x != y], [("1.1 % (0.40 %–1.8 %)", "1.2 % (0.40 %–1.8 %)")])
        foreign = numbers_in_paper(f"{self.folder}/f", write(self.folder, "f.json", with_profile(self.summary, trusted=False, certified=False)))
        self.assertIn("The profile is foreign.", foreign)
        problem = "certified for rule 2, this program chooses by rule 1"
        self.assertIn(problem, numbers_in_paper(f"{self.folder}/r", write(self.folder, "r.json", with_profile(self.summary, certificate_problem=problem))))

    def test_is_typeset_with_a_profile(self):
        for name, options in (("whole", {}), ("foreign", {"trusted": False}), ("uncertified", {"certified": False})):
            with self.subTest(profile=name):
                out = Path(self.folder) / f"out-{name}"
                done = self.render(write(self.folder, "s.json", with_profile(self.summary, **options)), "--out", out, "--format", "svg")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertTrue((out / "paper.pdf").read_bytes().startswith(b"%PDF-"))

    def test_says_what_is_wrong_with_a_file(self):
        def lacking(*keys):
            broken = copy.deepcopy(self.summary)
            part = broken
            for key in keys[:-1]:
                part = part[key]
            del part[keys[-1]]
            return json.dumps(broken)

        for text, problem in (
                ("{", "s.json"), ("{}", "is no summary"), ('{"format": "attnbench-summary", "version": 9}', "version 9"),
                (lacking("version"), "no field 'version'"), (lacking("runs"), "no field 'runs'"), (lacking("tables"), "no field 'tables'"),
                (lacking("tables", "series"), "no field 'tables.series'"), (lacking("runs", 0, "groups"), "no field 'runs[0].groups'"),
                (lacking("runs", 0, "groups", 0, "heading"), "no field 'runs[0].groups[0].heading'"),
                (json.dumps({**self.summary, "tables": []}), "'tables' is no object"),
                (lacking("tables", "kernels", 0, "run"), "no field 'run'"),
                (lacking("runs", 0, "environment"), "environment")):
            file = Path(self.folder) / "s.json"
            file.write_text(text)
            done = self.render(file, "--out", f"{self.folder}/out")
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(problem, done.stderr)
            self.assertNotIn("Traceback", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
