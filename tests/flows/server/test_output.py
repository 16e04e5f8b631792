from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PRINT = """
import sys
from pathlib import Path
from rich.console import Console
from flows.server.output import outlive_reader
if sys.argv[2] == "outlive":
    outlive_reader()
console = Console(file=sys.stderr)
console.print("first")
sys.stdin.readline()  # nobody reads any more
for _ in range(3):
    console.print("nobody reads this")
    print("nor this", flush=True)
Path(sys.argv[1]).write_text("went on")
"""


@pytest.mark.parametrize("mode", ["outlive", "as it is"])
def test_a_process_outlives_the_reader_of_its_output(tmp_path: Path, mode: str) -> None:
    command = [sys.executable, "-c", PRINT, str(tmp_path / "end"), mode]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdin is not None and child.stdout is not None and child.stderr is not None
    child.stderr.readline()
    child.stdout.close()
    child.stderr.close()
    child.stdin.close()
    child.wait(60)
    assert (tmp_path / "end").exists() == (mode == "outlive")
