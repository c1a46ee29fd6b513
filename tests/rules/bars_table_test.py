"""The table of engine cuda's bars, from results that were made up: usage: bars_table_test.py SOURCES"""
import importlib.util
import pathlib
import sys
import unittest

SOURCES = pathlib.Path(sys.argv.pop(1))
spec = importlib.util.spec_from_file_location("readme_tables", SOURCES / "tools" / "readme_tables.py")
readme_tables = importlib.util.module_from_spec(spec)
spec.loader.exec_module(readme_tables)


def kernel(name, microseconds, status="ok", unranked=""):
    return {"id": name, "mechanism": name.split("/")[0], "status": status, "unranked": unranked,
            "seconds": {"estimate": microseconds * 1e-6} if microseconds else None}


def cell(condition, shape, *kernels, layout="bshd", phase="prefill"):
    return {"cell_id": f"core-{phase}-{condition}-bf16-{layout}-{shape}-t1-cuda:0", "kernels": list(kernels)}


def data(*cells):
    return {"runs": [{"machine": "NVIDIA H200", "command": "attnbench run gpu_bars", "mark": "orientation",
                      "groups": [{"cells": list(cells)}]}]}


def row_of(shape, *cells):
    """What stands in the row of the shape: bar, hot, best other, cold, best other, met."""
    lines = readme_tables.bars({"h200": data(*cells)}).splitlines()
    line = next(line for line in lines if line.startswith(f"| {shape} |"))
    return [entry.strip() for entry in line.strip("|").split("|")][1:]


class Bars(unittest.TestCase):
    def test_without_data_it_says_so(self):
        for none in ({}, {"h200": data(cell("hot", "b1-h8-q96-kv96-d64", kernel("mha/fused@cuda", 3)))}):
            self.assertIn("No data set holds these shapes yet: `attnbench run gpu_bars", readme_tables.bars(none))

    def test_a_bar_is_met_at_its_time_and_not_above(self):
        for ours, met in ((16, "yes"), (16.1, "no")):
            row = row_of("swa(128), B1 H8 D64, N=8192",
                         cell("hot", "b1-h8-q8192-kv8192-d64", kernel("swa(w=128)/masked@cuda", 400), kernel("swa(w=128)/fused@cuda", ours),
                              kernel("swa(w=128)/cute@flash_attention", 26.3), kernel("swa(w=128)/sdpa@cudnn", 21.5)))
            self.assertEqual((row[0], row[2], row[5]), ("16", "`sdpa@cudnn` 21.5", met))

    def test_hot_and_cold_stand_apart_and_the_bar_is_hot(self):
        row = row_of("decode q=1, 32/8, S=4096",
                     cell("hot", "b1-h32-q1-kv4096-d128", kernel("gqa(kv=8)/fused@cuda", 7.5), layout="bhsd", phase="decode"),
                     cell("cold", "b1-h32-q1-kv4096-d128", kernel("gqa(kv=8)/fused@cuda", 11),
                          kernel("gqa(kv=8)/cudnn@pytorch:cuda", 12), layout="bhsd", phase="decode"))
        self.assertEqual(row, ["8", "7.50", "–", "11.0", "`cudnn@pytorch:cuda` 12.0", "yes"])

    def test_a_mechanism_has_its_own_kernels(self):
        mixed = cell("hot", "b1-h8-q1024-kv1024-d64", kernel("swa(w=64)/fused@cuda", 4), kernel("causal_linear/chunked@cuda", 12),
                     kernel("causal_linear/chunk@flash_linear_attention", 43, unranked="less exact: o off by 0.1, allowed 0.02"),
                     kernel("block_sparse(bs=32,globals=1)/fused@cuda", 7))
        self.assertEqual(row_of("causal_linear, B1 H8 D64, N=1024", mixed)[1:], ["12.0", "`chunk@flash_linear_attention` 43.0 less exact", "–", "–", "no"])
        self.assertEqual(row_of("swa(64), B1 H8 D64, N=1024", mixed)[1:], ["4.00", "–", "–", "–", "yes"])

    def test_a_kernel_without_a_time_says_why_and_unsupported_ones_do_not(self):
        row = row_of("block_sparse(32,1), B1 H8 D64, N=1024",
                     cell("hot", "b1-h8-q1024-kv1024-d64", kernel("block_sparse(bs=32,globals=1)/fused@cuda", None, "failed"),
                          kernel("block_sparse(bs=32,globals=1)/flex@pytorch:cuda", None, "wrong"),
                          kernel("block_sparse(bs=32,globals=1)/flex@pytorch", None, "unsupported")))
        self.assertEqual(row[1:3] + row[5:], ["failed", "`flex@pytorch:cuda` wrong", "not measured"])

    def test_a_bar_may_be_a_share_of_anothers_rate(self):
        shape = "dense, B2 H16 D128, N=8192"
        for ours, met in ((2000, "yes"), (2200, "no")):  # 70 % of the rate of 1500 us: 2143 us
            row = row_of(shape, cell("hot", "b2-h16-q8192-kv8192-d128", kernel("mha/fused@cuda", ours),
                                     kernel("mha/cute@flash_attention", 1500), kernel("mha/sdpa@cudnn", 1400)))
            self.assertEqual((row[0], row[2], row[5]), ("70% of the rate of `cute@flash_attention`", "`sdpa@cudnn` 1400", met))
        self.assertEqual(row_of(shape, cell("hot", "b2-h16-q8192-kv8192-d128", kernel("mha/fused@cuda", 2000)))[5], "not measured")

    def test_every_bar_is_a_cell_of_the_study(self):
        study = (SOURCES / "studies" / "gpu_bars.toml").read_text()
        for _, mechanism, _, _ in readme_tables.BARS:
            self.assertIn(f'"{mechanism}"', study)


if __name__ == "__main__":
    unittest.main()
