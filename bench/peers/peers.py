#!/usr/bin/env python3
"""Dense attention of other libraries against ours, on this machine, as Markdown.

    peers.py BENCH_KERNELS [PROGRAM ...] [--repeats N]

BENCH_KERNELS is run as `BENCH_KERNELS --csv`; each PROGRAM prints lines in the same form, one a shape:
library,form,dtype,threads,head_dim,seqlen,seconds. PyTorch is measured if it can be imported. All take turns, each in a
process of its own, N times; a ratio is taken within each turn, and the table shows its median and its extremes.
One thread, batch 1, 8 heads.
"""
import argparse
import csv
import statistics
import subprocess
import sys
import time

SHAPES = [(dtype, head_dim, seqlen) for dtype in ("f32", "bf16") for head_dim in (64, 128)
          for seqlen in (128, 256, 512, 1024, 4096)]
FIELDS = ("library", "form", "dtype", "threads", "head_dim", "seqlen", "seconds")


def measure_torch(rounds=11):
    """Prints one line a shape and form: the fused call, and three separate operations."""
    import torch
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(1)

    def eager(q, k, v):
        return torch.softmax(q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5, dim=-1) @ v

    forms = {"sdpa": torch.nn.functional.scaled_dot_product_attention, "eager": eager}
    writer = csv.writer(sys.stdout)
    for dtype, head_dim, seqlen in SHAPES:
        kind = {"f32": torch.float32, "bf16": torch.bfloat16}[dtype]
        q, k, v = (torch.randn(1, 8, seqlen, head_dim, generator=generator).to(kind) for _ in range(3))
        for form, call in forms.items():
            with torch.inference_mode():
                call(q, k, v)
                start = time.perf_counter()
                call(q, k, v)
                batch = max(1, int(3e-4 / (time.perf_counter() - start)))
                seconds = []
                for _ in range(rounds):
                    start = time.perf_counter()
                    for _ in range(batch):
                        call(q, k, v)
                    seconds.append((time.perf_counter() - start) / batch)
            writer.writerow([f"PyTorch {torch.__version__.split('+')[0]}", form, dtype, 1, head_dim, seqlen,
                             statistics.median(seconds)])


def rows_of(command):
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return list(csv.DictReader(out.splitlines(), fieldnames=FIELDS))


def has_torch():
    return subprocess.run([sys.executable, "-c", "import torch"], capture_output=True).returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench_kernels")
    parser.add_argument("programs", nargs="*")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    peers = [[program] for program in arguments.programs]
    if has_torch():
        peers.append([sys.executable, __file__, "--torch"])

    turns = []
    for _ in range(arguments.repeats):
        ours = {(r["dtype"], r["head_dim"], r["seqlen"]): r for r in rows_of([arguments.bench_kernels, "--csv"])}
        theirs = [row for command in peers for row in rows_of(command)]
        turns.append((ours, theirs))

    ratios = {}
    for ours, theirs in turns:
        for row in theirs:
            shape = (row["dtype"], row["head_dim"], row["seqlen"])
            if shape not in ours:
                continue
            key = (row["library"], row["form"], *shape, ours[shape]["form"])
            ratios.setdefault(key, []).append(float(row["seconds"]) / float(ours[shape]["seconds"]))
    print("| peer | form | type | D | N | our kernel | ours is faster by (least to most) |")
    print("|---|---|---|---|---|---|---|")
    for (library, form, dtype, head_dim, seqlen, kernel), values in ratios.items():
        print(f"| {library} | {form} | {dtype} | {head_dim} | {seqlen} | {kernel} | "
              f"{statistics.median(values):.2f}x ({min(values):.2f} to {max(values):.2f}) |")


if __name__ == "__main__":
    if sys.argv[1:] == ["--torch"]:
        measure_torch()
    else:
        main()
