"""Processes of their own that have nothing to import: forks of a server that imports the stages and the command line once.

A process that trains imports torch, open_clip and transformers for six seconds; a fork of one that has done so begins at
once, with the environment, the folder, the words and the outputs that it is given, and ends or is killed as any other.

What is read of the environment while Python starts or a module is imported (`PYTHONPATH`, `OMP_NUM_THREADS`) is that of
whichever test first started the server. So an environment with another `PYTHONPATH` than this process's, as that of the
stand-ins for stages, is refused: that needs a process that starts anew, of `subprocess`.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from flows.cli import app
from pipeline.engine.graph import NAMES

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["flows.cli.app", "accelerate", *(f"pipeline.stages.{name}" for name in NAMES)])


def run(
    program: str | Path, *words: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """What `subprocess.run` gives, its texts captured, of a Python file or of `ezhoi` with these words.

    ValueError for an environment with another `PYTHONPATH`, which would have no effect.
    """
    if env is not None and env.get("PYTHONPATH") != os.environ.get("PYTHONPATH"):
        raise ValueError("a fork has imported everything already: start a process with this PYTHONPATH by subprocess")
    with tempfile.TemporaryDirectory() as folder:
        outputs = Path(folder) / "out", Path(folder) / "err"
        variables = dict(os.environ if env is None else env)
        process = _CONTEXT.Process(target=_be, args=(str(program), words, str(cwd or Path.cwd()), variables, outputs))
        process.start()
        process.join()
        assert process.exitcode is not None
        texts = [path.read_text() for path in outputs]
    return subprocess.CompletedProcess([str(program), *words], process.exitcode, *texts)


def _be(program: str, words: Sequence[str], cwd: str, variables: Mapping[str, str], outputs: Sequence[Path]) -> None:
    """Be the process of a command line."""
    for number, path in enumerate(outputs, start=1):
        file = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.dup2(file, number)
        os.close(file)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(variables)
    sys.argv = [program, *words]
    if program == "ezhoi":
        app.main()
    else:
        runpy.run_path(program, run_name="__main__")
