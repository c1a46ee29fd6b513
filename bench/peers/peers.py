#!/usr/bin/env python3
"""Dense attention of other libraries against ours, on this machine, as Markdown.

    peers.py BENCH_KERNELS [PROGRAM ...] [--rounds N] [--only TEXT]

BENCH_KERNELS is started as `BENCH_KERNELS --peer`; it, each PROGRAM (bench_onednn_sdpa) and, if it can be imported, PyTorch
answer requests: a line "dtype head_dim seqlen" on standard input, then for each form of attention a line
library,form,dtype,threads,head_dim,seqlen,seconds and an empty one. Shape by shape they take turns, N times, so that a change
of clock hits all of them; a ratio is taken within each turn, and the table shows its median and its 10th and 90th percentile.
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


def serve_torch():
    """Answers requests: the fused call, and three separate operations."""
    import torch
    torch.set_num_threads(1)
    library = f"PyTorch {torch.__version__.split('+')[0]}"

    def eager(q, k, v):
        return torch.softmax(q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5, dim=-1) @ v

    def seconds_of(call, calls):
        start = time.perf_counter()
        for _ in range(calls):
            call()
        return (time.perf_counter() - start) / calls

    writer = csv.writer(sys.stdout)
    for line in sys.stdin:
        dtype, head_dim, seqlen = line.split()
        generator = torch.Generator().manual_seed(1)
        kind = {"f32": torch.float32, "bf16": torch.bfloat16}[dtype]
        q, k, v = (torch.randn(1, 8, int(seqlen), int(head_dim), generator=generator).to(kind) for _ in range(3))
        forms = {"sdpa": torch.nn.functional.scaled_dot_product_attention, "eager": eager}
        with torch.inference_mode():
            for form, attention in forms.items():
                def call():
                    attention(q, k, v)
                call()
                batch = max(1, int(3e-4 / seconds_of(call, 1)))
                seconds_of(call, batch)
                writer.writerow([library, form, dtype, 1, head_dim, seqlen, seconds_of(call, batch)])
        print(flush=True)


class Peer:
    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, shape):
        """Rows of all its forms; none where it does not compute the shape."""
        print(*shape, file=self.process.stdin, flush=True)
        rows = []
        while line := self.process.stdout.readline():
            if not line.strip():
                return rows
            rows.append(dict(zip(FIELDS, line.strip().split(","))))
        sys.exit(f"peers.py: {self.process.args[0]} ended with exit code {self.process.wait()}")


def has_torch():
    return subprocess.run([sys.executable, "-c", "import torch"], capture_output=True).returncode == 0


def percentile(values, share):
    return sorted(values)[round(share * (len(values) - 1))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench_kernels")
    parser.add_argument("programs", nargs="*")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--only", default="", help="only shapes such as 'bf16 64 1024' that contain this")
    arguments = parser.parse_args()
    ours = Peer([arguments.bench_kernels, "--peer"])
    peers = [Peer([program]) for program in arguments.programs]
    if has_torch():
        peers.append(Peer([sys.executable, __file__, "--torch"]))

    print("| peer | form | type | D | N | our kernel | ours is faster by (10 to 90 % of rounds) |")
    print("|---|---|---|---|---|---|---|")
    for shape in SHAPES:
        if arguments.only not in " ".join(map(str, shape)):
            continue
        ratios = {}
        for _ in range(arguments.rounds):
            for our in ours.ask(shape):
                for row in (row for peer in peers for row in peer.ask(shape)):
                    key = (row["library"], row["form"], our["form"])
                    ratios.setdefault(key, []).append(float(row["seconds"]) / float(our["seconds"]))
        for (library, form, kernel), values in ratios.items():
            dtype, head_dim, seqlen = shape
            print(f"| {library} | {form} | {dtype} | {head_dim} | {seqlen} | {kernel} | {statistics.median(values):.2f}x "
                  f"({percentile(values, 0.1):.2f} to {percentile(values, 0.9):.2f}) |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["--torch"]:
        serve_torch()
    else:
        main()
