"""The report in headless Chromium, opened from disk: what a reader sees, at two widths."""

import copy
import json
import re
import tempfile
import unittest
from pathlib import Path

from chromium import Chromium
from summaries import CHANGED_KERNEL, PROFILE_KERNELS, STORES, SOURCE, as_on_a_mac, attnbench, changed, on_a_device, summary_of_stores, with_profile, write
from texts import FAINT, FAULTS, UNLABELLED

CELLS = """(() => {
  for (const details of document.querySelectorAll("#cells details")) details.open = true;
  return new Promise((done) => setTimeout(() => done(
    [...document.querySelectorAll("#cells tbody tr")].map((row) => [...row.cells].map((cell) => cell.textContent))), 300));
})()"""


class Report(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.summary = summary_of_stores(cls.folder)
        cls.page = f"{cls.folder}/report.html"
        attnbench("report", *STORES, "--out", cls.page)
        cls.browser = cls.enterClassContext(Chromium())

    def page_of(self, summary, name):
        attnbench("report", write(self.folder, f"{name}.json", summary), "--out", f"{self.folder}/{name}.html")
        return f"{self.folder}/{name}.html"

    def test_is_one_small_file_that_names_no_other(self):
        text = Path(self.page).read_text(encoding="utf-8")
        self.assertLess(len(text.encode()), 5_000_000)
        tags = re.sub(r"(?s)<script[^>]*>.*?</script>|<style>.*?</style>", "", text)
        self.assertNotRegex(tags, r'(?:src|href)="(?!#|data:,)')

    def test_draws_every_chart_without_error_request_or_overflow(self):
        figures = {json.loads(f.read_text())["usermeta"]["figure"] for f in (SOURCE / "report/figures").glob("*.vl.json")}
        self.assertGreaterEqual(len(figures), 9)
        figures -= {"10", "12", "13"}  # small.csv has no other engine, and no profile is given
        for width in (390, 1280):
            with self.subTest(width=width):
                self.browser.open(self.page, width)
                self.assertEqual(self.browser.errors, [])
                self.assertEqual(self.browser.requests, [f"file://{self.page}"])
                charts = self.browser.value(
                    "[...document.querySelectorAll('.chart')].map((c) => [c.dataset.figure, c.getAttribute('aria-label'),"
                    " c.querySelectorAll('svg .role-mark path, svg .role-mark line, svg .role-mark text').length,"
                    " c.querySelector('svg .role-title-subtitle')?.textContent])")
                self.assertEqual({figure for figure, *_ in charts}, figures)
                for figure, label, marks, subtitle in charts:
                    self.assertGreaterEqual(marks, 2, (figure, label))
                    self.assertRegex(subtitle.replace(" ", ""), "notforpublication|novariancepublished", (figure, label))
                self.assertEqual(self.browser.value(UNLABELLED), [])
                self.assertEqual(self.browser.value(FAULTS), [])
                self.assertLessEqual(self.browser.value("document.documentElement.scrollWidth"), width)
                text = self.browser.value("document.body.innerText")
                for word in ("undefined", "NaN", "[object"):
                    self.assertEqual(text.count(word), 0, text[max(0, text.find(word) - 200):][:400])
                for theme in ("light", "dark"):
                    self.assertEqual(self.browser.value(f"document.documentElement.dataset.theme = '{theme}'; {FAINT}"), [], theme)
        self.finds_faults()

    def test_draws_ratios_to_different_baselines_in_panels_of_their_own(self):
        two = copy.deepcopy(self.summary)
        longest = max(row["seqlen"] for row in two["tables"]["kernels"])
        for row in two["tables"]["kernels"]:
            if row["run"] == two["runs"][0]["id"] and row["seqlen"] == longest and row["ratio"] is not None:
                row["baseline"] = "mha/other@cpu"
        self.browser.open(self.page_of(two, "baselines"), 1280)
        labels = self.browser.value("[...document.querySelectorAll('.chart')].map((c) => [c.dataset.figure, c.getAttribute('aria-label')])")
        for figure in ("2b", "3", "5", "6a"):
            own = [label for number, label in labels if number == figure]
            for baseline in ("mha/unfused@cpu", "mha/other@cpu"):
                self.assertEqual(len([label for label in own if f"against {baseline}" in label]), 2, (figure, own))  # core and layer
        self.assertFalse([label for number, label in labels if number == "1" and "against mha" in label])

    def finds_faults(self):
        """That what is asserted above can fail: the open page with a label moved, a title cut off and a text made faint."""
        self.browser.value("(() => { const [a, b] = document.querySelectorAll('.chart[data-figure=\"5\"] svg .role-axis-label text'); b.setAttribute('transform', a.getAttribute('transform'));"
                           " const title = document.querySelector('.chart[data-figure=\"1\"] svg .role-title-text text'); title.setAttribute('transform', 'translate(-60,0)');"
                           " title.style.fill = '#404040';"
                           " for (const label of document.querySelectorAll('.chart[data-figure=\"7a\"] svg .role-axis-label text')) label.textContent = ''; })()")
        self.assertEqual({(figure, fault) for figure, fault, *_ in self.browser.value(FAULTS)}, {("5", "overlaps"), ("1", "clipped")})
        self.assertEqual([figure for figure, *_ in self.browser.value(FAINT)], ["1"])
        self.assertEqual({figure for figure, *_ in self.browser.value(UNLABELLED)}, {"7a"})

    def test_is_dark_where_the_reader_asks_for_it(self):
        for scheme in ("light", "dark"):
            self.browser.open(self.page, 1280, scheme=scheme, figures=[])
            self.assertEqual(self.browser.value("document.documentElement.dataset.theme"), scheme)

    def test_sets_ours_beside_other_engines(self):
        summary = copy.deepcopy(self.summary)
        run = summary["runs"][0]
        group = run["groups"][0]
        rows = []
        for cell in group["cells"]:
            rows.append({"cell_id": cell["cell_id"], "group": group["id"], "seqlen": cell["seqlen"], "mechanism": "mha", "engine": "other",
                         "ours": "mha/fused@cpu", "kernel": "mha/flash@other", "our_seconds": {"estimate": 1e-3, "low": 9e-4, "high": 1.1e-3},
                         "seconds": {"estimate": 2.5e-3, "low": 2e-3, "high": 3e-3}, "ratio": {"estimate": 2.5, "low": 2.25, "high": 2.75},
                         "modes": False, "verdict": "FASTER", "verdict_words": "FASTER", "p_difference_adjusted": 0.01,
                         "p_equivalence_adjusted": 1, "standing": "ahead", "status": "ok", "reason": ""})
        rows.append({**rows[0], "kernel": "mha/eager@other", "seconds": None, "ratio": None, "verdict": None, "verdict_words": None,
                     "p_difference_adjusted": None, "p_equivalence_adjusted": None, "standing": "missing", "status": "unsupported",
                     "reason": "without a mask"})
        run["peers"] = {"rows": rows, "engines": [
            {"engine": "other", "ahead": 2, "tied": 0, "behind": 0, "undecided": 0, "lowest_ratio": 2.5, "highest_ratio": 2.5, "missing": ""},
            {"engine": "mlx", "ahead": 0, "tied": 0, "behind": 0, "undecided": 0, "lowest_ratio": None, "highest_ratio": None,
             "missing": "not fetched"}]}
        summary["tables"]["peers"] = [
            {"run": run["id"], "machine": run["machine"], "published": False, "dtype": group["dtype"], "scope": group["scope"],
             "phase": group["phase"], "threads": group["threads"], "group": group["id"], "heading": group["heading"],
             "cell_id": row["cell_id"], "seqlen": row["seqlen"], "mechanism": "mha", "engine": "other", "kernel": row["kernel"],
             "ours": row["ours"], "ratio": 2.5, "ratio_low": 2.25, "ratio_high": 2.75, "standing": "ahead", "verdict_words": "FASTER"}
            for row in rows if row["ratio"]]
        self.browser.open(self.page_of(summary, "peers"), 1280, figures=["10"])
        self.browser.value("document.querySelector('#peers details').open = true")
        text = self.browser.value("new Promise((done) => setTimeout(() => done(document.getElementById('peers').innerText), 300))")
        for words in ("2.50 (2.25–2.75)", "ahead", "1.00 ms", "mlx: no ratio: not fetched", "unsupported: without a mask"):
            self.assertIn(words, text)
        self.assertEqual(self.browser.value("[...document.querySelectorAll('#peers table')][0].tBodies[0].rows.length"), 1)
        self.assertEqual(self.browser.value("document.querySelectorAll('.chart[data-figure=\"10\"]').length"), 1)
        self.assertEqual(self.browser.errors, [])
        for row in run["peers"]["rows"]:  # times, but none of ours beside them
            row.update(ratio=None, verdict=None, verdict_words=None, ours=None, our_seconds=None)
        run["peers"]["engines"][0].update(ahead=0, lowest_ratio=None, highest_ratio=None, missing="no kernel of ours")
        self.browser.open(self.page_of(summary, "peers_alone"), 1280, figures=[])
        self.assertEqual(self.browser.value("[...document.querySelectorAll('#peers table th')].filter((h) => h.innerText === 'engine').length"), 0)
        self.assertIn("other: no ratio: no kernel of ours", self.browser.value("document.getElementById('peers').innerText"))
        self.assertEqual(self.browser.errors, [])

    def test_maps_what_dispatch_chooses_and_what_that_costs(self):
        page = self.page_of(with_profile(self.summary), "profile")
        for width in (390, 1280):
            with self.subTest(width=width):
                self.browser.open(page, width, figures=["12", "13"])
                self.assertEqual(self.browser.errors, [])
                self.assertEqual(self.browser.value("[...document.querySelectorAll('#dispatch .chart')].map((c) => c.dataset.figure)"), ["12", "12", "13"])
                self.assertEqual(self.browser.value(FAULTS), [])
                self.assertEqual([fault for fault in self.browser.value(UNLABELLED) if fault[0] in ("12", "13")], [])
                self.assertLessEqual(self.browser.value("document.documentElement.scrollWidth"), width)
                for theme in ("light", "dark"):
                    self.assertEqual(self.browser.value(f"document.documentElement.dataset.theme = '{theme}'; {FAINT}"), [], theme)
                # A letter a problem, a ring a tie, white where no time is known; every panel names all kernels.
                letters = self.browser.value("[...document.querySelectorAll('.chart[data-figure=\"12\"]')].map((c) =>"
                                             " [...c.querySelectorAll('svg .mark-text.role-mark text')].map((t) => t.textContent).join(''))")
                self.assertEqual(letters, [("C" * 5 + "B" * 5 + "A" * 5) * 3, ("B" * 3 + "A" * 7) * 3])
                rings, white = (self.browser.value(f"[...document.querySelectorAll('.chart[data-figure=\"12\"]')].map((c) => c.querySelectorAll('{marks}').length)")
                                for marks in ("svg .mark-symbol.role-mark path", "svg .mark-rect.role-mark path[fill=\"#FFFFFF\"]"))
                self.assertEqual((rings, white), ([3, 3], [3, 3]))
                legends = self.browser.value("[...document.querySelectorAll('.chart[data-figure=\"12\"]')].map((c) => [...c.querySelectorAll('.role-legend-label text')].map((t) => t.textContent))")
                self.assertEqual(legends, [[f"{letter} {kernel}" for letter, kernel in zip("ABC", PROFILE_KERNELS)]] * 2)
                # 18 points, a triangle at either edge, and two unseen ones that hold the axis.
                self.assertEqual(self.browser.value("document.querySelectorAll('.chart[data-figure=\"13\"] svg .mark-symbol.role-mark path').length"), 18 + 2 + 2)
        text = self.browser.value("document.getElementById('dispatch').innerText")
        for words in ("Of 75 problems, another kernel is chosen in 45.", "the mean regret is 1.10 %", "Measured on the machine of the run here."):
            self.assertIn(words, text)

    def test_says_what_a_profile_does_not_tell(self):
        for name, options, figures, words in (("foreign", {"trusted": False}, ["13"], "The profile is foreign."),
                                              ("uncertified", {"certified": False}, ["12", "12"], "The profile holds no certificate.")):
            with self.subTest(profile=name):
                self.browser.open(self.page_of(with_profile(self.summary, **options), name), 1280, figures=[])
                self.assertEqual(self.browser.value("[...document.querySelectorAll('#dispatch .chart')].map((c) => c.dataset.figure)"), figures)
                self.assertIn(words, self.browser.value("document.getElementById('dispatch').innerText"))

    def test_the_regret_figure_says_that_a_certificate_does_not_hold(self):
        problem = "certified for rule 2, this program chooses by rule 1"
        self.browser.open(self.page_of(with_profile(self.summary, certificate_problem=problem), "rule"), 390, figures=["12", "13"])
        told = self.browser.value("[...document.querySelectorAll('#dispatch .chart')].map((c) => [c.dataset.figure, c.querySelector('.role-title-subtitle')?.textContent || ''])")
        self.assertEqual([figure for figure, text in told if problem.replace(" ", "") in text.replace(" ", "")], ["13"])
        self.assertEqual(self.browser.value(FAULTS), [])

    def test_shows_samples_by_process(self):
        self.browser.open(self.page, 1280, figures=[])
        self.browser.value(CELLS)
        processes = self.browser.value(
            "(() => { document.querySelector('#cells td button').click(); const plot = document.querySelector('.dots');"
            " return [plot.querySelectorAll('.middle').length, plot.querySelectorAll('.block').length]; })()")
        kernel = self.summary["runs"][0]["groups"][0]["cells"][0]["kernels"][0]
        self.assertEqual(processes, [len(kernel["by_process"]), sum(len(p["blocks"]) for p in kernel["by_process"])])

    def test_says_so_where_blocks_are_left_out(self):
        summary = copy.deepcopy(self.summary)
        for kernel in (k for g in summary["runs"][0]["groups"] for c in g["cells"] for k in c["kernels"]):
            for process in kernel["by_process"]:
                process["blocks"] = []
        self.browser.open(self.page_of(summary, "means"), 1280, figures=[])
        self.browser.value(CELLS)
        shown = self.browser.value(
            "(() => { document.querySelector('#cells td button').click(); const plot = document.querySelector('.dots');"
            " return [plot.querySelectorAll('.middle').length > 0, plot.querySelectorAll('.block').length, plot.parentElement.textContent]; })()")
        self.assertEqual(shown[:2], [True, 0])
        self.assertIn("Their blocks are left out", shown[2])

    def test_names_the_command_or_that_it_is_not_known(self):
        summary = copy.deepcopy(self.summary)
        for command, note in (("attnbench run paper --heads 4", False), (None, True)):
            summary["runs"][0]["command"] = command
            self.browser.open(self.page_of(summary, "command"), 1280, figures=[])
            text = self.browser.value("document.getElementById('reproduce').innerText")
            self.assertIn(f"{command or 'attnbench run ' + summary['runs'][0]['study']['name']} ", text)
            self.assertEqual("Options that changed the study are not known" in text, note)

    def test_reproduces_on_the_same_cpus_and_names_the_commit(self):
        summary = copy.deepcopy(self.summary)
        run = summary["runs"][0]
        run["command"] = "attnbench run paper"
        run["cpu_set"] = {"allowed": "0-3", "used": [{"threads": 2, "cpus": "0-1", "cores": None}], "command": "taskset -c 0-3"}
        run["environment"].setdefault("build", {})["commit"] = "0123456789ab-dirty"
        self.browser.open(self.page_of(summary, "pinned"), 1280, figures=[])
        text = self.browser.value("document.getElementById('reproduce').innerText")
        for words in ("taskset -c 0-3 attnbench run paper --out again.db", "0123456789ab-dirty", "2 on CPUs 0-1"):
            self.assertIn(words, text)

    def test_sets_points_of_a_device_against_its_own_ceilings(self):
        summary = on_a_device(self.summary)
        self.browser.open(self.page_of(summary, "device"), 1280, figures=["8a"])
        self.browser.value("for (const details of document.querySelectorAll('details')) details.open = true")
        text = self.browser.value("new Promise((done) => setTimeout(() => done(document.body.innerText), 300))")
        for words in ("cuda:0: Test GPU, 8.00 GiB, driver 1.2", "f32 product (lt)"):
            self.assertIn(words, text)
        table = "[...document.querySelectorAll('#machine table')].find((t) => t.tHead.innerText.startsWith('device'))"
        rows = self.browser.value(f"[...{table}.tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.innerText))")
        self.assertEqual(rows, [["cuda:0", "flops", "f32 product lt", "–", "50000", "GFLOP/s"], ["cuda:0", "copy", "working set of 16.0 MiB", "–", "7000", "GB/s"],
                                ["cuda:0", "copy", "working set of 1.00 GiB", "–", "4000", "GB/s"]])
        self.assertNotIn("f32 fma (avx2)", text)
        self.assertEqual(self.browser.errors, [])

    def test_shows_what_a_mac_tells_and_what_it_does_not(self):
        summary = as_on_a_mac(self.summary)
        count = len(summary["runs"][0]["noise"]["by_process"])
        self.browser.open(self.page_of(summary, "mac"), 1280, figures=[])
        self.browser.value("for (const details of document.querySelectorAll('details')) details.open = true")
        text = self.browser.value("new Promise((done) => setTimeout(() => done(document.body.innerText), 300))")
        for words in (f"fair in 1 of {count} processes, nominal in {count - 1} of {count} processes", f"off in {count} of {count} processes",
                      "at most 20 %", "flagged, counted all the same", "thermal state 'fair'\t1"):
            self.assertIn(words, text)
        self.assertNotIn("NaN", text)
        self.assertEqual(self.browser.errors, [])

    def test_shows_the_figures_of_one_machine_alone(self):
        self.browser.open(self.page, 1280, figures=[])
        shown = self.browser.value(
            "(() => { [...document.querySelectorAll('.chips button')].find((b) => b.textContent.startsWith('Apple')).click();"
            " return [...new Set([...document.querySelectorAll('.chart')].filter((c) => c.offsetHeight > 0).map((c) => c.dataset.run))]; })()")
        self.assertEqual(shown, ["r1"])

    def test_marks_a_run_that_is_not_publishable(self):
        summary = copy.deepcopy(self.summary)
        for name, mark in (("short", "NOT PUBLISHABLE: a reason"),
                           ("long", "NOT PUBLISHABLE: a reason of many words; another reason of many words")):
            summary["runs"][0].update(publishable="no", mark=mark)
            self.browser.open(self.page_of(summary, name), 1280, figures=["1", "5", "9a"])
            self.assertIn(mark, self.browser.value("document.querySelector('.machine .mark').textContent"))
            marks = self.browser.value("[...document.querySelectorAll('.chart[data-run=r0] .role-title-subtitle')].map((e) => e.textContent)")
            self.assertGreaterEqual(len(marks), 3)
            self.assertEqual({shown.replace(" ", "") for shown in marks}, {mark.replace(" ", "")})  # lines of it

    def test_a_changed_number_changes_its_cell_and_no_other(self):
        self.browser.open(self.page, 1280, figures=[])
        before = self.browser.value(CELLS)
        self.browser.open(self.page_of(changed(self.summary), "changed"), 1280, figures=[])
        after = self.browser.value(CELLS)
        differing = [(i, k) for i, (a, b) in enumerate(zip(before, after, strict=True))
                     for k, (x, y) in enumerate(zip(a, b, strict=True)) if x != y]
        self.assertEqual(len(differing), 1)
        row, column = differing[0]
        self.assertEqual((before[row][0], column), (CHANGED_KERNEL, 2))

    def test_says_what_each_row_computes_and_gains_over_dense_attention(self):
        group = self.summary["runs"][0]["groups"][0]
        cell = group["cells"][-1]
        self.assertEqual(cell["kernels"][0]["id"], group["dense"])
        self.browser.open(self.page, 1280, figures=[])
        rows = {tuple(row[:1] + row[5:6]) for row in self.browser.value(CELLS)}
        self.assertIn(("swa(w=64)/masked@cpu", "6 % of the keys"), rows)
        self.assertIn(("linear/two_gemm@cpu", "all keys, no softmax"), rows)
        cells = self.browser.value("document.querySelector('#cells').textContent")
        for text in (f"Gain over dense: against {group['dense']}", "no causal softmax kernel was measured"):
            self.assertIn(text, cells)

    def test_first_says_what_to_use_of_each_mechanism_at_each_n(self):
        summary = copy.deepcopy(self.summary)
        group = summary["runs"][0]["groups"][0]
        rows = [row for row in group["recommendation"] if row["mechanism"]]
        tied = next(row for row in rows if row["mechanism"] == "mha" and row["seqlen"] == group["seqlens"][0])
        kernels = [k["id"] for k in group["cells"][0]["kernels"] if k["mechanism"] == "mha" and k["ratio"]]
        self.assertGreater(len(kernels), 1)
        tied["best_set"] = kernels[:2]
        self.browser.open(self.page_of(summary, "use"), 1280, figures=[])
        lines = self.browser.value("[...document.querySelector('#use table').tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.innerText))")
        names = [line[0].split("\n")[0] for line in lines]
        self.assertRegex(names[0], "^Drop-in")
        self.assertEqual(names[1], "mha")
        self.assertRegex(names[2], "^If your model was trained so")
        self.assertEqual(set(names[1:2] + names[3:]), {row["mechanism"] for row in rows})
        self.assertEqual(len(lines[1]), 1 + len(group["seqlens"]))
        first, second = (name.split("/")[1] for name in kernels[:2])
        self.assertIn(first, lines[1][1])
        self.assertIn(f"tied with {second}", lines[1][1])
        self.assertIn("no verdict", lines[1][2])

    def test_sets_published_beside_measured_values(self):
        self.browser.open(self.page, 1280, figures=[])
        lines = self.browser.value("[...document.querySelector('#claims table').tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.innerText))")
        claim, answer = next((c, a) for c in self.summary["claims"] for a in c["answers"]
                             if a["run"] == "r0" and a["form"] == "published" and a["as_published"] and a["verdict"] != "NOT TESTED"
                             and a["headline"][0]["published_text"] and a["headline"][0]["measured_text"])
        part = answer["headline"][0]
        at = [line[0] for line in lines].index(f"{claim['number']}. {claim['title']}")
        row = next(line for line in lines[at:] if line[0].startswith(part["what"]))
        self.assertEqual(row[1], part["published_text"])
        self.assertIn(part["measured_text"], row[2])

    def test_leaves_out_sections_without_data(self):
        summary = copy.deepcopy(self.summary)
        for run in summary["runs"]:
            run["layer_effect"] = []
            run["peers"] = {"rows": [], "engines": [
                {"engine": "mlx", "ahead": 0, "tied": 0, "behind": 0, "undecided": 0, "lowest_ratio": None, "highest_ratio": None,
                 "missing": "not fetched"}]}
        for answer in (answer for claim in summary["claims"] for answer in claim["answers"]):
            answer["verdict"] = "NOT TESTED"
        self.browser.open(self.page_of(summary, "bare"), 1280, figures=[])
        sections = self.browser.value("[...document.querySelectorAll('main > section')].map((s) => s.id)")
        self.assertEqual(sections, ["use", "figures", "cells", "machine", "reproduce"])
        self.assertEqual(self.browser.value("[...document.querySelectorAll('nav a')].map((a) => a.hash.slice(1))"), sections)

    def test_a_table_that_scrolls_says_so(self):
        for width in (1280, 390):
            self.browser.open(self.page, width, figures=[])
            self.browser.value(CELLS)
            wide = self.browser.value("new Promise((done) => setTimeout(() => done([...document.querySelectorAll('.scroll')].filter((s) => s.clientWidth > 0)"
                                      ".map((s) => [s.scrollWidth > s.clientWidth + 1, s.previousElementSibling.offsetHeight > 0])), 300))")
            self.assertTrue(any(scrolls for scrolls, _ in wide))
            for scrolls, says in wide:
                self.assertEqual(scrolls, says)

    def test_layer_rows_say_what_they_compute_and_which_cases_are_counted(self):
        summary = copy.deepcopy(self.summary)
        rows = summary["runs"][0]["layer_effect"]
        for i, row in enumerate(rows):
            row["differs"] = (True, False)[i] if i < 2 else None
            row["dtype"] = "f32"
        self.browser.open(self.page_of(summary, "layer"), 1280, figures=[])
        layer = self.browser.value("document.querySelector('#layer').textContent")
        self.assertIn("verdicts differ in 1 of 2 cases that have both", layer)
        shown = self.browser.value("[...document.querySelectorAll('#layer table tbody tr')].map((row) => row.cells[1].textContent)")
        functions = {row["kernel"] + row["function"] for row in rows}
        self.assertTrue(shown)
        self.assertLessEqual(set(shown), functions)

    def test_shows_the_aa_interval_that_decides_and_what_the_rejected_would_change(self):
        summary = copy.deepcopy(self.summary)
        cell = summary["runs"][0]["groups"][0]["cells"][0]
        cell["aa"]["text"] = "1.010 (90 % CI 1.0004-1.0202, not within ±2 %)"
        summary["runs"][0]["rejected_effect"] = {
            "processes": 1, "verdicts": 66, "others": 0, "withheld": 2, "more": 22, "changes": [],
            "text": "with the 1 rejected: of 66 verdicts given 0 would be others"}
        self.browser.open(self.page_of(summary, "aa"), 1280, figures=[])
        self.browser.value(CELLS)
        page = self.browser.value("document.body.textContent")
        self.assertIn("A/A, the baseline twice: 1.010 (90 % CI 1.0004-1.0202, not within ±2 %)", page)
        self.assertIn("With the 1 rejected: of 66 verdicts given 0 would be others.", page)

    def test_labels_are_text_wherever_they_stand(self):
        attack = '</script><img src=x onerror="window.hit=1"><script>window.hit=1</script>'
        summary = copy.deepcopy(self.summary)
        run = summary["runs"][0]
        run["machine"] = run["standing"] = run["groups"][0]["heading"] = attack
        run["groups"][0]["recommendation"][0]["sentence"] = attack
        for claim in summary["claims"]:
            claim["title"] = attack
        for table in summary["tables"].values():
            for row in table:
                row.update((column, attack) for column in ("label", "machine", "heading") if column in row)
        self.browser.open(self.page_of(summary, "attack"), 1280, figures=["1", "5", "8a", "11"])
        self.browser.value(CELLS)
        self.assertIsNone(self.browser.value("window.hit ?? null"))
        self.assertEqual(self.browser.value("document.querySelectorAll('img').length"), 0)
        self.assertIn(attack, self.browser.value("document.querySelector('.machine .name').textContent"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
