"""Importing this makes the package importable from the sources: a stand-in replaces the compiled part, which studies need not."""

import pathlib
import sys
import types


class InputError(ValueError):
    pass


sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "python"))
sys.dont_write_bytecode = True
sys.modules["attnbench._native"] = types.SimpleNamespace(
    Decision=None, Dispatcher=None, InputError=InputError, load_plugin=None, __version__="0")
