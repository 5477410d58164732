"""The command line: `srlib upscale`, `train`, `evaluate`, `data`, `export`, `info`.

Each command is one function below; it parses nothing itself and calls the same functions that a notebook calls.
Errors that a user can mend are printed in one line, with exit status 2.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import srlib
from srlib._registry import DataError

if TYPE_CHECKING:
    from torch import nn

# What `srlib train --all` trains, in this order: model, scale, variant. VDSR is one network for three scales.
SMALL = (("espcn", "tanh"), ("espcn", "relu"), ("srcnn", "9-5-5"))
ALL = [(model, scale, variant) for model, variant in SMALL for scale in (3, 2, 4)]
ALL += [("srcnn", 3, "9-1-5"), ("vdsr", 2, "20"), ("srresnet", 4, "b16"), ("srgan", 4, "b16")]
MOMENTS = ("espcn", "srcnn")  # small enough to keep what they were like on the way


def _network(args: argparse.Namespace, *, inference: bool = True) -> str | nn.Module:
    """What --model, --scale, --variant and --weights name."""
    from srlib._weights import network

    return network(args.model, args.scale, args.variant, args.weights, inference=inference)


def _upscale(args: argparse.Namespace) -> None:
    from srlib.upscaling import upscale_file
    from srlib.video import SUFFIXES, upscale_video

    source = Path(args.source)
    ending = ".mp4" if source.suffix.lower() in SUFFIXES else ".png"
    target = Path(args.output or source.with_name(f"{source.stem}_{args.model}_x{args.scale}{ending}"))
    _not_there(target, args.force)
    options = {"device": args.device, "tile": args.tile, "progress": not args.quiet}
    if ending == ".mp4":
        film = upscale_video(source, target, _network(args), args.scale, **options)
        size = "{}×{} to {}×{}".format(*film.size_in, *film.size_out)
        print(f"{target} ({size}, {film.frames} frames, {film.seconds:.1f} s, {film.frames_per_second:.1f} frames/s)")
        if film.left_out:
            print(f"left out: {', '.join(film.left_out)}")
        return
    started = time.perf_counter()
    upscale_file(source, target, _network(args), args.scale, **options)
    print(f"{target} ({time.perf_counter() - started:.1f} s)")


def _not_there(target: Path, force: bool) -> None:
    """Never write over a file unless asked to."""
    if target.exists() and not force:
        raise ValueError(f"{target} exists already; pass --force to replace it, or -o with another name")


def _train(args: argparse.Namespace) -> None:
    from srlib import recipes

    if not args.all:
        _train_one(args)
        return
    game = recipes.get("srgan", 4, args.budget).as_dict()
    if str((game | _settings(args.set, game))["loss"]).startswith("vgg"):  # told before hours of training
        if args.vgg is None:
            raise ValueError(
                "the content loss of srgan needs VGG-19: name a .safetensors file, or torchvision, as --vgg"
            )
        if args.vgg != "torchvision" and not Path(args.vgg).is_file():
            raise FileNotFoundError(f"no such weights of VGG-19: {args.vgg}")
    runs = Path(args.out or "runs")
    for model, scale, variant in ALL:
        one = argparse.Namespace(**vars(args))
        one.model, one.scale, one.variant, one.resume = model, scale, variant, True
        one.moments = args.moments if model in MOMENTS else 0
        one.out = str(runs / f"{model}_{variant}_x{scale}_{args.budget}")
        if model == "srgan":
            one.generator = str(runs / f"srresnet_{variant}_x{scale}_{args.budget}" / "model.safetensors")
        _train_one(one)


def _train_one(args: argparse.Namespace) -> None:
    from srlib import recipes, train
    from srlib.devices import Speed

    recipe = recipes.get(args.model, args.scale, args.budget, args.variant)
    changes = {key: value for key in ("steps", "seed") if (value := getattr(args, key)) is not None}
    recipe = recipe.but(**changes | _settings(args.set, recipe.as_dict()))
    out = args.out or f"runs/{recipe.model}_{recipe.variant}_x{recipe.scale}_{recipe.budget}"
    options = {
        "device": args.device,
        "resume": args.resume,
        "progress": not args.quiet,
        "tensorboard": args.tensorboard,
        "speed": Speed(bfloat16=False if args.float32 else None, compile=args.compile or ""),
        "vgg": args.vgg if recipe.loss.startswith("vgg") or not args.all else None,
    }
    if isinstance(recipe, recipes.GanRecipe):
        if args.moments:
            raise ValueError(f"--moments is for networks that are trained alone, not for {recipe.model}")
        result = train.fit_gan(recipe, args.data, out, generator=args.generator, scratch=args.scratch, **options)
    elif args.generator or args.scratch:
        raise ValueError(f"--generator and --scratch are for srgan, not for {recipe.model}")
    else:
        result = train.fit(recipe, args.data, out, moments=args.moments, **options)
    if result.log:  # of several processes only the first one has it
        plain = json.loads((result.path / "card.json").read_text("utf-8"))["validation_bicubic_db"]
        score = f"{result.log[-1]['psnr']:.2f} dB on held-out pictures (bicubic {plain:.2f} dB)"
        print(f"{result.path}: {result.seconds:.0f} s, {score}")


def _settings(words: list[str], known: dict[str, Any]) -> dict[str, Any]:
    """`["loss=l1", "batch=8", "scales=2,4"]` as changes to a recipe, each of the kind that the recipe has there."""
    changes: dict[str, Any] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if name in ("model", "budget", "scale", "variant"):
            raise ValueError(f"--set changes numbers of a recipe; which recipe it is, --{name} says")
        if not sign or name not in known:
            raise ValueError(f"--set takes NAME=VALUE with a number of the recipe ({', '.join(known)}), not {word!r}")
        try:
            kind = type(known[name])
            changes[name] = tuple(int(s) for s in value.split(",") if s) if kind is list else kind(value)
        except ValueError as error:
            raise ValueError(f"{name} is {known[name]!r} in the recipe; {value!r} is of another kind") from error
    return changes


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


def _export(args: argparse.Namespace) -> None:
    from srlib import export, models

    target = Path(args.output or f"{args.model}_x{args.scale}.onnx")
    _not_there(target, args.force)
    network = _network(args, inference=False)
    network = models.load_pretrained(network, args.scale) if isinstance(network, str) else network
    export.to_onnx(network, target, name=args.model)
    file = export.contents(target)
    operators = ", ".join(f"{count} {name}" for name, count in file.operators.items())
    print(f"{target} ({file.bytes / 1e3:.0f} kB; {operators})")
    print(f"largest difference from PyTorch: {file.metadata['difference']}")


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
    here = [d.name for d in datasets.available() if datasets.is_cached(d.name)]
    print(f"cache    {cache_dir()}")
    print(f"data     {', '.join(['bundled', *here])} (no network needed)")


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

    p = commands.add_parser("upscale", parents=[model, weights, common], help="enlarge a picture or a video")
    p.add_argument("source", help="file to enlarge")
    p.add_argument("-o", "--output", help="file to write (default: NAME_MODEL_xSCALE.png or .mp4 beside the source)")
    p.add_argument("--tile", type=int, help="side of a tile in input pixels (default: chosen to keep memory low)")
    p.add_argument("--force", action="store_true", help="replace an existing output file")
    p.set_defaults(run=_upscale)

    p = commands.add_parser("train", parents=[model, common], help="train a network")
    p.add_argument(
        "--all",
        action="store_true",
        help="every network of the book, one after the other in --out; what is done is kept (no --model, --scale)",
    )
    p.add_argument("--variant", help="such as 9-1-5 for srcnn (default: the recipe's)")
    p.add_argument("--budget", default="quick", help="quick, colab, full or paper (default: quick)")
    p.add_argument("--data", default="bundled", help="bundled, t91,bsds500, or a folder (default: bundled)")
    p.add_argument("--out", help="folder for checkpoint, log, weights and card (default: under runs/)")
    p.add_argument("--resume", action="store_true", help="go on with the run in --out")
    p.add_argument("--steps", type=int, help="instead of the recipe's")
    p.add_argument("--seed", type=int, help="instead of the recipe's")
    p.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="another number: --set loss=l1")
    p.add_argument("--moments", type=int, default=0, help="keep the weights at up to so many steps on the way (0)")
    p.add_argument("--tensorboard", action="store_true", help="write the log for TensorBoard, too")
    p.add_argument("--compile", nargs="?", const="default", help="torch.compile, with a mode such as reduce-overhead")
    p.add_argument("--float32", action="store_true", help="no bfloat16, even where it is fast")
    p.add_argument("--vgg", help="VGG-19 for a content loss: a .safetensors file, or torchvision to download it")
    p.add_argument("--generator", help="srgan: weights of the SRResNet to start from (default: those that ship)")
    p.add_argument("--scratch", action="store_true", help="srgan: start from fresh weights")
    p.set_defaults(run=_train)

    p = commands.add_parser("evaluate", parents=[model, weights, common], help="score a model on a test set")
    p.add_argument("--data", default="bundled:test", help="set5, set14, bundled:test or a folder")
    p.add_argument("--protocol", default="A", help="A, B, D or S (default: A)")
    p.add_argument("--json", action="store_true", help="print JSON with every picture's score")
    p.set_defaults(run=_evaluate)

    p = commands.add_parser("data", help="list, fetch or verify data sets")
    p.add_argument("action", choices=["list", "fetch", "verify"])
    p.add_argument("names", nargs="*", help="such as set5 set14 t91 bsds500")
    p.set_defaults(run=_data)

    p = commands.add_parser("export", parents=[model, weights], help="write a network as an ONNX file")
    p.add_argument("-o", "--output", help="file to write (default: MODEL_xSCALE.onnx)")
    p.add_argument("--force", action="store_true", help="replace an existing output file")
    p.set_defaults(run=_export)

    p = commands.add_parser("info", help="versions, device, models, weights, cache, data")
    p.set_defaults(run=_info)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, or 2 after an error that a user can mend."""
    args = parser().parse_args(argv)
    others = warnings.showwarning

    def warn(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if filename == __file__:  # said to the caller of a function of srlib, which is this file: no place to look at
            print(f"srlib {args.command}: {message}", file=sys.stderr)
        else:
            others(message, category, filename, lineno, file, line)

    try:
        with warnings.catch_warnings():
            warnings.showwarning = warn
            args.run(args)
    except (ValueError, OSError, DataError, ImportError, FloatingPointError) as error:
        print(f"srlib {args.command}: {error}", file=sys.stderr)
        return 2
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":  # torch's; anything else is a bug, and its place is wanted
            raise
        print(f"srlib {args.command}: the device has too little memory: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
