"""The bundle's file: what is written is what is read, and whatever else there is at its place is one clear error."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from pipeline.errors import DataError
from pipeline.predict import bundle as bundles
from pipeline.predict import card
from pipeline.tables.tensors import save_tensors
from tests.pipeline.predict.bundles import VOCABULARY, bundle, header


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "b.safetensors"
    bundles.write(path, bundle())
    found = bundles.read(path)
    assert found.header == header() == bundles.read_header(path)
    assert found.header.classes == VOCABULARY
    assert {name: value.tolist() for name, value in found.tensors.items()} == {
        name: value.tolist() for name, value in bundle().tensors.items()
    }
    assert found.learned().keys() == {"logit_scale"}


def test_a_bundle_of_before_an_option_has_its_default(tmp_path: Path) -> None:
    path = tmp_path / "b.safetensors"
    value = json.loads(header().model_dump_json())
    for name in ("adapter", "patterns"):
        del value["sizes"][name]
    save_file(dict(bundle().tensors), path, metadata={"ezhoi": json.dumps(value)})
    assert bundles.read(path).header == header()


def test_a_key_that_says_nothing_is_left_out_for_readers_that_do_not_know_it(tmp_path: Path) -> None:
    def keys(of: Any) -> set[str]:
        bundles.write(tmp_path / "b.safetensors", of)
        with safe_open(tmp_path / "b.safetensors", framework="numpy") as file:
            value = json.loads(file.metadata()["ezhoi"])
        return {
            *value,
            *(f"sizes.{name}" for name in value["sizes"]),
            *(f"measured.{name}" for name in value["measured"]),
        }

    late = {"start", "head", "added", "used", "sizes.inter", "measured.on"}
    assert not keys(bundle()) & late
    one = header()
    said = header(
        sizes=replace(one.sizes, inter="attention"),
        measured=one.measured.model_copy(update={"on": "validation"}),
        used={"transductive": False, "examples": {}},
    )
    assert keys(bundles.Bundle(said, bundle().tensors)) & late == {"used", "sizes.inter", "measured.on"}
    assert bundles.read_header(tmp_path / "b.safetensors") == said
    assert "4 images, of validation scenes" in card.text(said) and "validation" not in card.text(one)


def test_a_header_is_read_without_torch(tmp_path: Path) -> None:
    bundles.write(tmp_path / "b.safetensors", bundle())
    code = (
        "import sys; from pathlib import Path; from pipeline.predict import bundle, card;"
        f"print(card.text(bundle.read_header(Path({str(tmp_path / 'b.safetensors')!r})))[:6]);"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout == "# Zero\n", done.stderr


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"format": 3}, "is of format 3, and this version of ezhoi reads formats 1 and 2"),
        ({"format": 2}, "is of format 2, which has no head 'ezhoi'"),
        ({"head": "memory"}, "is of format 1, which has no head 'memory'"),
        ({"format": None}, "is of format None"),
        ({"tau": -1}, "its header is not as format 1 has it: tau"),
        ({"scale": 0}, "its header is not as format 1 has it: scale"),
        (
            {"measured": json.loads(header().measured.model_dump_json()) | {"means": {"full": 101}}},
            "its header is not as format 1 has it: measured.means.full",
        ),
        ({"colour": "red"}, "its header is not as format 1 has it: colour"),
        ({"sizes": {"prompts": 2}}, "its header is not as format 1 has it: sizes"),
        *(
            ({"sizes": json.loads(header().model_dump_json())["sizes"] | sizes}, f"has it: sizes: {says}")
            for sizes, says in [
                ({"prompts": 10**19}, "prompts"),
                ({"bottleneck": 0}, "bottleneck"),
                ({"heads": 3}, "model.heads = 3 do not divide model.bottleneck = 8"),
                ({"roi_size": 10_000}, "roi_size"),
                ({"patterns": 10**19}, "patterns"),
                ({"logit_scale": -1.0}, "logit_scale"),
            ]
        ),
        ({"vocabulary": {"format": "ezhoi-vocabulary/1"}}, "the bundle's vocabulary: classes is missing"),
        ({"unseen": [8, 77]}, "its header calls a class unseen that its vocabulary does not have, 77"),
        (
            {"clip": json.loads(header().clip.model_dump_json()) | {"std": [1e-300, 1, 1]}},
            "its header is not as format 1 has it: clip.std.0",
        ),
    ],
)
def test_another_header_is_refused(tmp_path: Path, changed: dict[str, Any], says: str) -> None:
    path = tmp_path / "b.safetensors"
    value = json.loads(header().model_dump_json()) | changed
    save_file(dict(bundle().tensors), path, metadata={"ezhoi": json.dumps(value)})
    with pytest.raises(DataError, match=f"^{path}: .*") as error:
        bundles.read(path)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"text.hoi_id": torch.tensor([3, 4])}, "text.hoi_id names classes that are not in its vocabulary"),
        ({"text.hoi_id": torch.tensor([3, 3])}, "text.hoi_id names a class twice"),
        (
            {"head.text": torch.eye(2).half()},
            "tensor 'head.text' is of type torch.float16, and torch.float32 or torch.int",
        ),
        (
            {"head.ids": torch.zeros(2, dtype=torch.int32)},
            "tensor 'head.ids' is of type torch.int32, and torch.float32 or",
        ),
        ({"text.hoi_id": torch.tensor([3])}, "are not a row a phrase"),
        ({"text.after": torch.eye(2, 5)}, "are not a row a phrase"),
        ({"objects": torch.zeros(3, 4)}, "objects (3, 4) is not a row for each of 4 objects"),
        ({"objects": None}, "has no tensor 'objects'"),
        (
            {"text.hoi_id": torch.tensor([3.0, 8.0])},
            "tensor 'text.hoi_id' is of type torch.float32, and torch.int64 in a",
        ),
        (
            {"text.before": torch.eye(2, 4).half()},
            "tensor 'text.before' is of type torch.float16, and torch.float32 in",
        ),
        (
            {"objects": torch.zeros(4, 4).to(torch.float8_e4m3fn)},
            "tensor 'objects' is of type torch.float8_e4m3fn, and",
        ),
        (
            {"text.hoi_id": torch.zeros(0, dtype=torch.int64), "text.before": torch.zeros(0, 4)}
            | {"text.after": torch.zeros(0, 4)},
            "has no phrase, so its model tells no class apart",
        ),
        ({"text.after": torch.full((2, 4), torch.nan)}, "tensor 'text.after' has values that are no finite numbers"),
        ({"model.logit_scale": torch.tensor(torch.inf)}, "tensor 'model.logit_scale' has values that are no finite"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(tmp_path: Path, changed: dict[str, Any], says: str) -> None:
    path = tmp_path / "b.safetensors"
    one = bundle(**changed)
    tensors = {name: tensor for name, tensor in one.tensors.items() if tensor is not None}
    with pytest.raises(DataError) as unwritten:
        bundles.write(path, bundles.Bundle(one.header, tensors))
    assert not path.exists()
    save_tensors(path, tensors, {"ezhoi": one.header.model_dump_json()})
    with pytest.raises(DataError) as error:
        bundles.read(path)
    assert str(error.value).startswith(f"{path}: ") and says in str(error.value)
    assert str(unwritten.value) == str(error.value)


@pytest.mark.parametrize("edited", ["header", "transposed", "added", "exchanged"])
def test_a_bundle_that_was_edited_or_damaged_is_refused(tmp_path: Path, edited: str) -> None:
    """It would predict all the same, and otherwise than the model that was evaluated."""
    path = tmp_path / "b.safetensors"
    bundles.write(path, bundle(**{"model.square": torch.arange(4.0).reshape(2, 2)}))
    with safe_open(path, framework="pt") as file:
        tensors, about = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    if edited == "header":
        about["ezhoi"] = about["ezhoi"].replace('"tau":2.8', '"tau":9.8')
    elif edited == "transposed":
        tensors["model.square"] = tensors["model.square"].T.contiguous()
    elif edited == "added":
        tensors["model.more"] = torch.zeros(1)
    else:
        tensors["text.hoi_id"] = tensors["text.hoi_id"].flip(0)
    save_file(tensors, path, metadata=about)
    with pytest.raises(DataError, match=f"^{path}: its content is not what was written, by the digest in it"):
        bundles.read(path)


def test_the_same_bundle_has_the_same_bytes(tmp_path: Path) -> None:
    """Several times: what is written in any order is in the same one by chance."""
    contents = set()
    for number in range(8):
        bundles.write(tmp_path / f"{number}.safetensors", bundle())
        contents.add((tmp_path / f"{number}.safetensors").read_bytes())
    assert len(contents) == 1


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    whole, other = tmp_path / "b.safetensors", tmp_path / "other.safetensors"
    bundles.write(whole, bundle())
    (tmp_path / "cut.safetensors").write_bytes(whole.read_bytes()[:-7])
    (tmp_path / "empty.safetensors").touch()
    save_file({"x": torch.zeros(1)}, other)
    for name, says in (
        ("nowhere.safetensors", "there is no such file"),
        ("cut.safetensors", "is no whole bundle"),
        ("empty.safetensors", "is no whole bundle"),
        ("other.safetensors", "is a safetensors file, but no bundle"),
        ("", "is a folder"),
    ):
        with pytest.raises(DataError, match=says):
            bundles.read(tmp_path / name)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"format": 1, "format": 2}', "{"])
def test_a_header_that_is_no_json_is_one_error(text: str, tmp_path: Path) -> None:
    save_file(dict(bundle().tensors), path := tmp_path / "b.safetensors", metadata={"ezhoi": text})
    with pytest.raises(DataError, match=f"^{path}: its header is no JSON"):
        bundles.read_header(path)


def test_the_card_says_what_it_is_and_what_it_is_not() -> None:
    text = card.text(header())
    assert "for 3 classes of a verb and an object. Of 1 of them it saw no labelled pair." in text
    assert "| full |\n|---:|\n| 12.50 |" in text, "what there is nothing to average of is no column"
    assert "walk dog" in text.partition("## Classes that it saw no labelled pair of (1)")[2]
    assert "on photographs its answers mean nothing" in text and "annotated boxes; no detector was run" in text
    assert "on photographs" not in card.text(header(dataset="hico")) and "HICO-DET" in card.text(header(dataset="hico"))


def test_names_in_a_card_are_only_text() -> None:
    value = json.loads(header().model_dump_json())
    value["vocabulary"]["verbs"][1]["name"] = "[walk](javascript:x)<b>"
    value["vocabulary"]["classes"][1] |= {"verb": "[walk](javascript:x)<b>", "phrase": "a person"}
    assert "\\[walk\\](javascript:x)\\<b\\> dog" in card.text(bundles.Header.model_validate(value))
