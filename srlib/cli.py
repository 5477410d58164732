"""The command line: `srlib upscale`, `train`, `evaluate`, `data`, `info`.

Each command is one function below; it parses nothing itself and calls the same functions that a notebook calls.
Errors that a user can mend are printed in one line, with exit status 2.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import srlib

if TYPE_CHECKING:
    from torch import nn


def _network(args: argparse.Namespace) -> str | nn.Module:
    """What --model, --variant and --weights name: shipped weights, or a file beside whose card the variant stands."""
    from srlib import models

    if not args.weights:
        return models.load_pretrained(args.model, args.scale, args.variant) if args.variant else str(args.model)
    card = Path(args.weights).with_name("card.json")
    variant = args.variant
    if variant is None and card.is_file():
        variant = json.loads(card.read_text("utf-8"))["recipe"]["variant"]
    return models.load_weights(models.create(args.model, args.scale, variant), args.weights)


def _upscale(args: argparse.Namespace) -> None:
    from srlib.upscaling import upscale_file

    source = Path(args.source)
    target = Path(args.output) if args.output else source.with_name(f"{source.stem}_{args.model}_x{args.scale}.png")
    if target.exists() and not args.force:
        raise ValueError(f"{target} exists already; pass --force to replace it, or -o with another name")
    started = time.perf_counter()
    upscale_file(
        source, target, _network(args), args.scale, device=args.device, tile=args.tile, progress=not args.quiet
    )
    print(f"{target} ({time.perf_counter() - started:.1f} s)")


def _train(args: argparse.Namespace) -> None:
    from srlib import recipes, train

    recipe = recipes.get(args.model, args.scale, args.budget, args.variant)
    changes = {key: value for key in ("steps", "seed") if (value := getattr(args, key)) is not None}
    result = train.fit(
        recipe.but(**changes),
        data=args.data,
        out=args.out or f"runs/{recipe.model}_{recipe.variant}_x{recipe.scale}_{recipe.budget}",
        device=args.device,
        resume=args.resume,
        progress=not args.quiet,
    )
    print(f"{result.path}: {result.seconds:.0f} s, {result.log[-1]['psnr']:.2f} dB on held-out pictures")


def _evaluate(args: argparse.Namespace) -> None:
    from srlib.evaluate import benchmark

    model = _network(args)
    result = benchmark(model, args.data, args.scale, args.protocol, device=args.device, progress=not args.quiet)
    if args.json:
        print(json.dumps(asdict(result) | {"psnr": result.psnr, "ssim": result.ssim}, indent=1))
    else:
        print(result)


def _data(args: argparse.Namespace) -> None:
    from srlib import datasets

    if args.action == "list":
        for item in datasets.available():
            here = "here" if datasets.is_cached(item.name) else "to fetch"
            size = f"{item.bytes / 1e6:.0f} MB"
            print(f"{item.name:<12} {item.role:<6} {item.images:>5} pictures {size:>9}  {here:<9} {item.title}")
        return
    names = args.names or [d.name for d in datasets.available() if args.action == "verify" and d.folder.exists()]
    if not names:
        raise ValueError("name at least one data set; `srlib data list` shows them")
    wrong = 0
    for name in names:
        if args.action == "fetch":
            print(f"{name}: {datasets.fetch(name)}")
        else:
            problems = datasets.verify(name)
            wrong += len(problems)
            print(
                "\n".join([f"{name}: {len(problems)} problems" if problems else f"{name}: all files right", *problems])
            )
    if wrong:
        raise ValueError(f"{wrong} files are missing or differ from their SHA-256; delete them and fetch again")


def _info(args: argparse.Namespace) -> None:
    import torch

    from srlib import datasets, models, recipes
    from srlib._paths import cache_dir, weights_dir
    from srlib.devices import device_name, has_bfloat16, pick_device

    place = pick_device()
    print(f"srlib {srlib.__version__}, torch {torch.__version__}, Python {sys.version.split()[0]}")
    print(f"device   {place}: {device_name(place)}, bfloat16 {'yes' if has_bfloat16(place) else 'no'}")
    print(f"models   {', '.join(models.MODELS)}")
    print(f"weights  {', '.join(sorted(p.stem for p in weights_dir().glob('*.safetensors'))) or 'none'}")
    print(f"recipes  {len(recipes.RECIPES)}, for {', '.join(sorted({key[0] for key in recipes.RECIPES}))}")
    cached = [d.name for d in datasets.available() if datasets.is_cached(d.name)]
    print(f"cache    {cache_dir()} ({', '.join(cached) or 'empty'})")


def parser() -> argparse.ArgumentParser:
    """The parser of all commands; `srlib COMMAND --help` prints the part of one."""
    top = argparse.ArgumentParser("srlib", description="Single-image super-resolution, measured.")
    top.add_argument("--version", action="version", version=srlib.__version__)
    commands = top.add_subparsers(dest="command", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps (default: auto)")
    common.add_argument("--quiet", action="store_true", help="no progress bar")
    model = argparse.ArgumentParser(add_help=False)
    model.add_argument("--model", default="srcnn", help="srcnn, bicubic, … (`srlib info` lists them)")
    model.add_argument("--scale", type=int, default=3, help="whole enlargement factor (default: 3)")

    weights = argparse.ArgumentParser(add_help=False)
    weights.add_argument("--variant", help="such as 9-1-5 for srcnn")
    weights.add_argument("--weights", help="a .safetensors file of yours instead of the shipped weights")

    p = commands.add_parser("upscale", parents=[model, weights, common], help="enlarge a picture file")
    p.add_argument("source", help="picture to enlarge")
    p.add_argument("-o", "--output", help="file to write (default: NAME_MODEL_xSCALE.png beside the source)")
    p.add_argument("--tile", type=int, help="side of a tile in input pixels (default: chosen to keep memory low)")
    p.add_argument("--force", action="store_true", help="replace an existing output file")
    p.set_defaults(run=_upscale)

    p = commands.add_parser("train", parents=[model, common], help="train a network")
    p.add_argument("--variant", help="such as 9-1-5 for srcnn (default: the recipe's)")
    p.add_argument("--budget", default="quick", help="quick, colab or full (default: quick)")
    p.add_argument("--data", default="bundled", help="bundled, t91,bsds500, or a folder (default: bundled)")
    p.add_argument("--out", help="folder for checkpoint, log, weights and card (default: under runs/)")
    p.add_argument("--resume", action="store_true", help="go on with the run in --out")
    p.add_argument("--steps", type=int, help="instead of the recipe's")
    p.add_argument("--seed", type=int, help="instead of the recipe's")
    p.set_defaults(run=_train)

    p = commands.add_parser("evaluate", parents=[model, weights, common], help="score a model on a test set")
    p.add_argument("--data", default="bundled:test", help="set5, set14, bundled:test or a folder")
    p.add_argument("--protocol", default="A", help="A, B or D (default: A)")
    p.add_argument("--json", action="store_true", help="print JSON with every picture's score")
    p.set_defaults(run=_evaluate)

    p = commands.add_parser("data", help="list, fetch or verify data sets")
    p.add_argument("action", choices=["list", "fetch", "verify"])
    p.add_argument("names", nargs="*", help="such as set5 set14 t91 bsds500")
    p.set_defaults(run=_data)

    p = commands.add_parser("info", help="versions, device, models, weights, cache")
    p.set_defaults(run=_info)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, or 2 after an error that a user can mend."""
    args = parser().parse_args(argv)
    try:
        args.run(args)
    except (ValueError, OSError, RuntimeError, FloatingPointError) as error:
        print(f"srlib {args.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
