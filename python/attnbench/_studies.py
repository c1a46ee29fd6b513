"""Studies in Python: run them, load their samples, analyze them.

load() reads exported CSV files itself; their header is stable. Everything else the program `attnbench` does, which is run for
it: what reads stores and judges samples is built on the insides of the kernels' library. libattnbench.so hides those, and a
module that linked them would bring every kernel twice. The wheel does not bring the program: ATTNBENCH_PROGRAM names it, or
it is found on PATH.
"""

from __future__ import annotations

import csv
import gzip
import importlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Union, overload

from ._native import InputError

File = Union[str, "os.PathLike[str]"]

_COLUMNS: dict[str, type] = {
    "machine": str, "device": str, "cell_id": str, "process": int, "block": int, "position": int, "role": str,
    "mechanism": str, "params": str, "kernel": str, "engine": str, "path": str, "threads": int, "dtype": str, "scope": str,
    "phase": str, "condition": str, "layout": str, "batch": int, "num_q_heads": int, "num_kv_heads": int, "seqlen_q": int,
    "seqlen_kv": int, "head_dim_qk": int, "head_dim_v": int, "d_model": int, "causal": bool, "softmax_scale": float,
    "batch_calls": int, "time_seconds": float, "valid": bool, "reason": str,
}
_MAY_BE_MISSING = {"num_kv_heads", "causal", "softmax_scale"}
_PARSERS: dict[type, Callable[[str], Any]] = {
    str: str, int: int, float: float, bool: {"true": True, "false": False}.__getitem__,
}


class ProgramError(RuntimeError):
    """The program `attnbench` did not do all that it was asked. The message is its own.

    Attributes:
        exit_code: As `attnbench --help` explains them: 1, 3, 4, 70. Negative: the signal that ended it.
        store: What was measured until then, by run(); else None.
    """

    def __init__(self, message: str, exit_code: int, store: Path | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.store = store


@overload
def load(store: File, *, as_: Literal["records"]) -> list[dict[str, Any]]: ...
@overload
def load(store: File, *, as_: Literal["pandas", "polars"] | None = None) -> Any: ...
def load(store: File, *, as_: Literal["pandas", "polars", "records"] | None = None) -> Any:
    """Every sample of a store or of an export, a row each, as `attnbench export` writes them.

    Samples of rejected processes are among them: `valid` is False and `reason` says why. What follows from samples, with
    intervals, is analyze()'s.

    Args:
        store: A store (.db), an export (.csv, .csv.gz) or the table of the published study. Only an export is read without
            the program `attnbench`.
        as_: ``"pandas"``, ``"polars"`` or ``"records"``, a list of dicts. None: pandas if it is installed, else polars.

    Returns:
        A DataFrame with one row a sample and these columns:

        ==================================  =====================================================================
        machine, device                     where it was measured: ``"AMD EPYC 1b2f3929"``, ``"cpu"``
        cell_id                             the cell: what is measured side by side, in the same processes
        process, block, position            numbers from 0: process of the cell, block in the process, slot in the
                                            block; single calls have block -1 and the number of the call
        role                                ``"kernel"``; ``"alias"``, the baseline once more; ``"sentinel"``, a
                                            fixed workload of no kernel; ``"unbatched"``, a single call
        mechanism, params, kernel, engine,  parts of the name ``swa(w=64)/fused@cpu:amx``; empty for the sentinel
        path
        threads                             of a call; 0: not known
        dtype, scope, phase, condition,     ``"f32"``, ``"core"`` or ``"layer"``, ``"prefill"`` or ``"decode"``,
        layout                              caches ``"hot"`` or ``"cold"``, ``"bhsd"`` or ``"bshd"``
        batch, num_q_heads, num_kv_heads    numbers; num_kv_heads is missing for the sentinel
        seqlen_q, seqlen_kv                 queries and keys of a sequence
        head_dim_qk, head_dim_v, d_model    elements; d_model is 0 in scope core
        causal                              whether the mechanism is; missing for the sentinel
        softmax_scale                       factor on Q K^T; missing where it is not known
        batch_calls                         calls that were timed together
        time_seconds                        seconds of one call
        valid, reason                       whether sample and process count, and why not
        ==================================  =====================================================================

        Text is str, empty where there is none; numbers are 64 bits. Missing is pandas.NA (softmax_scale: NaN), null in
        polars, None in records.

    Raises:
        InputError: The file is none of these, or is damaged.
        ImportError: Neither pandas nor polars is installed, or not the one that is asked for.
        FileNotFoundError: The program is needed and not found.
    """
    frame = _frame_maker(as_)
    return frame(_columns_of(_export_of(Path(store)), store))


def analyze(*stores: File) -> dict[str, Any]:
    """Intervals and verdicts of one or several stores, each run by itself: `attnbench analyze --json`.

    Args:
        stores: Stores (.db), exports (.csv, .csv.gz, with NAME.env.json or NAME.env.json.gz beside them) or the table of the
            published study.

    Returns:
        What docs/summary.schema.json describes. Times are in seconds, sizes in bytes; a ratio is the baseline's time over the
        kernel's, above 1 the kernel is faster. ``["tables"]["kernels"]`` has a flat row for each kernel and cell. Whether a
        run may be published is ``["runs"][i]["publishable"]``, and no exception.

    Raises:
        InputError: A file is none of these, or is damaged.
        FileNotFoundError: The program is not found.
        ProgramError: It failed.
    """
    not_publishable = 3
    with tempfile.TemporaryDirectory() as folder:
        files = [_readable(Path(store), Path(tempfile.mkdtemp(dir=folder))) for store in stores]
        analysis: dict[str, Any] = json.loads(_call(["analyze", *files, "--json"], accepted=(0, not_publishable)))
        return analysis


def run(study: File = "paper", *, out: File, **options: object) -> Path:
    """Measures a study on this machine: `attnbench run STUDY`, which can take hours.

    Its progress goes to sys.stderr line by line. An interrupt (Ctrl-C) lets it end in order; what it has measured is kept,
    and the same call again goes on.

    Args:
        study: Name of a study (``"paper"``, ``"smoke"``, ...) or path of a TOML file.
        out: The store (.db). One that is there is gone on with.
        options: The command's own, as `attnbench help run` lists them, with ``_`` for ``-``: ``profile="spec"``,
            ``seqlen=[128, 256]``, ``dtype="f32"``, ``accept_noise=True``. None and False: not given.

    Returns:
        The path of the store, for load() and analyze(). The samples as CSV lie beside it.

    Raises:
        InputError: A study, option or value that is not known, a machine that starts no workers.
        FileNotFoundError: The program is not found.
        ProgramError: A kernel failed, or results are not publishable or missing. Its ``store`` keeps what was measured.
        KeyboardInterrupt: The run was interrupted.
    """
    store = Path(out)
    words = ["run", os.fspath(study), f"--out={store}", *_words(options)]
    # In a session of its own an interrupt reaches it once, from here: a second one would end it at once.
    with subprocess.Popen([_program(), *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, start_new_session=True, encoding="utf-8", errors="replace") as process:
        said: list[str] = []
        try:
            _pass_on(process, said)
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            _pass_on(process, said)
            raise
    if process.returncode != 0:
        raise _error(process.returncode, "".join(said), store if store.exists() else None)
    if not store.exists():
        raise InputError(f"options: {' '.join(words)} measures nothing")
    return store


def _pass_on(process: subprocess.Popen[str], said: list[str]) -> None:
    """Until the program ends."""
    assert process.stderr is not None
    for line in process.stderr:
        said.append(line)
        print(line, end="", file=sys.stderr, flush=True)
    process.wait()


def _words(options: dict[str, object]) -> Iterator[str]:
    for name, value in options.items():
        option = "--" + name.replace("_", "-")
        if value is True:
            yield option
        elif value is not None and value is not False:
            values = value if isinstance(value, (list, tuple, range)) else (value,)
            yield f"{option}={','.join(map(str, values))}"


def _program() -> str:
    named = os.environ.get("ATTNBENCH_PROGRAM")
    found = shutil.which(named or "attnbench")
    if found is None:
        where = f"{named}, which ATTNBENCH_PROGRAM names," if named else "on PATH"
        raise FileNotFoundError(f"the program attnbench is not found {where}: `make build` in AttnBench's sources makes it "
                                "(build/release/attnbench); name it in ATTNBENCH_PROGRAM or put its folder on PATH")
    return found


def _call(words: Sequence[str | Path], accepted: Sequence[int] = (0,)) -> str:
    """What the program prints."""
    done = subprocess.run([_program(), *words], stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8",
                          errors="replace")
    if done.returncode not in accepted:
        raise _error(done.returncode, done.stderr)
    return done.stdout


def _error(exit_code: int, said: str, store: Path | None = None) -> BaseException:
    bad_input, interrupted = 2, 130
    shown_lines = 10
    message = "\n".join(line.removeprefix("attnbench: ") for line in said.strip().splitlines()[-shown_lines:])
    if exit_code == bad_input:
        return InputError(message)
    if exit_code == interrupted:
        return KeyboardInterrupt(message)
    return ProgramError(f"attnbench ended with {exit_code}: {message}", exit_code, store)


def _is_csv(file: Path) -> bool:
    return file.name.endswith((".csv", ".csv.gz"))


def _content(file: Path) -> bytes:
    try:
        content = file.read_bytes()
        return gzip.decompress(content) if file.suffix == ".gz" else content
    except (EOFError, zlib.error) as error:
        raise InputError(f"store: '{file}' is damaged: {error}") from error
    except OSError as error:
        raise InputError(f"store: '{file}' cannot be read: {error.strerror or error}") from error


def _readable(file: Path, folder: Path) -> Path:
    """A file that the program reads: an export that is compressed is unpacked into the folder."""
    if not file.name.endswith(".csv.gz"):
        return file.absolute()
    name = file.name.removesuffix(".csv.gz")
    unpacked = folder / f"{name}.csv"
    unpacked.write_bytes(_content(file))
    for environment in (file.with_name(f"{name}.env.json.gz"), file.with_name(f"{name}.env.json")):
        if environment.exists():
            (folder / f"{name}.env.json").write_bytes(_content(environment))
            break
    return unpacked


def _export_of(file: Path) -> str:
    """The samples as CSV."""
    if _is_csv(file):
        try:
            text = _content(file).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InputError(f"store: '{file}' is no text: {error}") from error
        if text.partition("\n")[0].rstrip("\r") == ",".join(_COLUMNS):
            return text
    with tempfile.TemporaryDirectory() as folder:
        store = _readable(file, Path(folder))
        if _is_csv(file):  # the published table, or no table that the program knows, which it says
            _call(["import", store, f"--out={folder}/store.db"])
            store = Path(folder, "store.db")
        samples = Path(folder, "samples.csv")
        _call(["export", store, f"--out={samples}"])
        return samples.read_text(encoding="utf-8")


def _columns_of(text: str, file: File) -> dict[str, list[Any]]:
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row][1:]
    except csv.Error as error:
        raise InputError(f"store: '{file}' is damaged: {error}") from error
    for number, row in enumerate(rows, 1):
        if len(row) != len(_COLUMNS):
            raise InputError(f"store: '{file}', sample {number}: has {len(row)} fields, not {len(_COLUMNS)}")
    texts = list(zip(*rows)) or [()] * len(_COLUMNS)
    return {name: _values(name, column, file) for name, column in zip(_COLUMNS, texts)}


def _values(name: str, texts: Sequence[str], file: File) -> list[Any]:
    parse = _PARSERS[_COLUMNS[name]]
    optional = name in _MAY_BE_MISSING
    values: list[Any] = []
    try:
        for text in texts:
            values.append(None if optional and not text else parse(text))
    except (KeyError, ValueError):
        raise InputError(f"store: '{file}', sample {len(values) + 1}: {name}: '{texts[len(values)]}' is no "
                         f"{_COLUMNS[name].__name__}") from None
    return values


def _frame_maker(as_: str | None) -> Callable[[dict[str, list[Any]]], Any]:
    makers = {"pandas": _pandas_frame, "polars": _polars_frame}
    if as_ == "records":
        return lambda columns: [dict(zip(columns, row)) for row in zip(*columns.values())]
    if as_ is not None and as_ not in makers:
        raise InputError(f"as_: '{as_}' is none of pandas, polars, records")
    for name in makers if as_ is None else (as_,):
        try:
            package = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
        else:
            return lambda columns: makers[name](package, columns)
    needed = as_ or "pandas or polars"
    raise ImportError(f"load() makes a DataFrame with {needed}, not installed here; as_='records' needs neither")


def _pandas_frame(pandas: Any, columns: dict[str, list[Any]]) -> Any:
    dtypes = {str: "str", int: "int64", float: "float64", bool: "bool"}
    with_missing = {int: "Int64", float: "float64", bool: "boolean"}
    return pandas.DataFrame({
        name: pandas.Series(values, dtype=(with_missing if name in _MAY_BE_MISSING else dtypes)[_COLUMNS[name]])
        for name, values in columns.items()
    })


def _polars_frame(polars: Any, columns: dict[str, list[Any]]) -> Any:
    dtypes = {str: polars.String, int: polars.Int64, float: polars.Float64, bool: polars.Boolean}
    return polars.DataFrame(columns, schema={name: dtypes[kind] for name, kind in _COLUMNS.items()})
