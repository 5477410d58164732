"""Scores and the ledger: what is printed can be measured again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
import torch
from torch import nn

from srlib import datasets, image, metrics, models
from srlib._paths import data_dir
from srlib.evaluate import Ledger, benchmark
from srlib.upscaling import super_resolve


def test_protocol_a_step_by_step() -> None:
    """The score of one picture, made again from the parts."""
    model = models.load_pretrained("srcnn", 3)
    result = benchmark(model, "bundled:test", 3)
    sample = datasets.images("bundled:test")[1]
    hr = image.to_uint8(image.load(sample.path))
    hr = hr[..., : hr.shape[2] // 3 * 3, : hr.shape[3] // 3 * 3]
    from srlib.degrade import imresize

    lr = image.from_uint8(imresize(hr, 1 / 3, border="mirror"))
    sr = image.from_uint8(image.to_uint8(super_resolve(model, lr)))
    y_sr, y_hr = (metrics.round_to_byte(image.rgb_to_y(x.double())) for x in (sr, hr.double() / 255))
    assert result.per_image[1].name == sample.name
    assert abs(result.per_image[1].psnr - float(metrics.psnr(y_sr, y_hr, shave=3))) < 1e-3
    assert abs(result.per_image[1].ssim - float(metrics.ssim(y_sr, y_hr, shave=3))) < 1e-5
    assert abs(result.psnr - sum(s.psnr for s in result.per_image) / len(result.per_image)) < 1e-12


def test_the_shipped_network_beats_bicubic_on_every_photograph() -> None:
    ours, plain = (benchmark(name, "bundled:test", 3) for name in ("srcnn", "bicubic"))
    assert all(a.psnr > b.psnr for a, b in zip(ours.per_image, plain.per_image, strict=True))
    assert ours.psnr > plain.psnr + 0.4
    text = str(ours)
    assert "protocol A" in text
    assert f"{ours.psnr:.2f} dB" in text


class Colour(nn.Module):
    scale, channels, overlap = 2, 3, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.repeat_interleave(2, 2).repeat_interleave(2, 3)


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no protocol 'C'; there are A, B, D"):
        benchmark("bicubic", "bundled:test", 3, "C")
    with pytest.raises(ValueError, match="enlarges ×3, but scale=2"):
        benchmark(models.create("srcnn", 3), "bundled:test", 2)
    with pytest.raises(ValueError, match="RGB with A, B or S"):
        benchmark(Colour(), "bundled:test", 2, "D")
    assert benchmark(Colour(), "bundled:test", 2, "A").psnr > 20
    image.save(torch.rand(1, 3, 14, 14), tmp_path / "small.png")
    with pytest.raises(ValueError, match="too few to score"):
        benchmark("bicubic", tmp_path, 3)
    with pytest.raises(datasets.DataError, match="does not exist"):
        benchmark("bicubic", tmp_path / "none", 3)


def test_the_ledger_follows_its_schema() -> None:
    schema = json.loads((data_dir() / "ledger.schema.json").read_text("utf-8"))
    jsonschema.validate(json.loads((data_dir() / "ledger.json").read_text("utf-8")), schema)


def test_a_row_is_found_put_and_saved(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.json")
    ledger.put({"model": "a", "data": "set5", "scale": 3, "protocol": "A", "psnr": 1.0})
    ledger.put({"model": "a", "data": "set5", "scale": 3, "protocol": "A", "psnr": 2.0})
    ledger.put({"model": "a", "data": "set5", "scale": 4, "protocol": "A", "psnr": 3.0})
    ledger.save()
    again = Ledger(tmp_path / "l.json")
    assert [row["psnr"] for row in again] == [2.0, 3.0]
    assert again.find(model="a", scale=4)["psnr"] == 3.0
    with pytest.raises(LookupError, match="2 rows"):
        again.find(model="a")


@pytest.mark.parametrize("row", list(Ledger()), ids=lambda r: f"{r['model']}-{r['data']}-x{r['scale']}-{r['protocol']}")
def test_every_cell_of_the_ledger_comes_out_again(row: dict[str, object], benchmark_set: Callable[[str], Path]) -> None:
    benchmark_set(str(row["data"]))
    model = models.load_pretrained(str(row["model"]), int(row["scale"]), row["variant"] or None)  # type: ignore[call-overload,arg-type]
    model = model.to(memory_format=torch.channels_last)  # faster
    result = benchmark(model, str(row["data"]), int(row["scale"]), str(row["protocol"]))  # type: ignore[call-overload]
    assert abs(result.psnr - float(row["psnr"])) < 0.01  # type: ignore[arg-type]
    assert abs(result.ssim - float(row["ssim"])) < 0.0005  # type: ignore[arg-type]


def test_the_ledger_quotes_the_published_table() -> None:
    lines = (data_dir() / "published.tsv").read_text("utf-8").splitlines()
    table = [dict(zip(lines[0].split("\t"), line.split("\t"), strict=False)) for line in lines[1:]]
    quoting = [row for row in Ledger() if row["status"] != "no published twin"]
    assert quoting
    for row in quoting:
        key = (row["published_model"], row["published_trained_on"], row["data"], row["scale"])
        quoted = [t for t in table if (t["model"], t["trained_on"], t["test_set"].lower(), int(t["scale"])) == key]
        assert len(quoted) == 1
        assert float(quoted[0]["psnr_y_db"]) == row["published_psnr"]
        if quoted[0]["ssim"]:  # the ESPCN paper printed none
            assert float(quoted[0]["ssim"]) == row["published_ssim"]
            assert (quoted[0]["ssim_kind"] == "daala") == (row["protocol"] == "S")
        assert abs(row["psnr"] - row["published_psnr"] - row["difference_db"]) < 0.001
        status = "reproduced" if abs(row["difference_db"]) <= 0.01 else "exceeded"
        assert row["status"] == ("short" if row["difference_db"] < -0.01 else status)


def test_every_published_cell_is_answered() -> None:
    from tools.ledger import cells, unmatched

    ledger = Ledger()
    assert ledger.unmatched == unmatched(ledger.rows)
    quoted = [row for row in ledger if "published_model" in row]
    assert len(quoted) + len(ledger.unmatched) == sum(c["test_set"] in ("Set5", "Set14") for c in cells())


def test_the_readme_shows_the_ledger() -> None:
    from tools.ledger import README, stamp

    text = README.read_text("utf-8")
    assert stamp(text, Ledger()) == text
