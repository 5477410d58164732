# Set-up: find srlib, or install it. torch and numpy are never touched.
import importlib.util
import subprocess
import sys

ADDRESS, BRANCH = "", "main"  # written by `make address`; do not edit by hand

try:
    import srlib
except ModuleNotFoundError as missing:
    if missing.name != "srlib":
        raise  # srlib is here, and one of its own dependencies is not
    if not ADDRESS:
        raise ModuleNotFoundError(
            "srlib is not installed, and this notebook has not been told its public address. "
            "From a copy of the repository, run `make env` or `pip install .` in its top folder; "
            "or write the address of the Git repository into ADDRESS above."
        ) from None
    pip = [sys.executable, "-m", "pip", "install", "--quiet"]
    small = {"PIL": "pillow", "pooch": "pooch", "safetensors": "safetensors", "tqdm": "tqdm"}
    absent = [package for module, package in small.items() if not importlib.util.find_spec(module)]
    if absent:
        subprocess.run([*pip, *absent], check=True)
    subprocess.run([*pip, "--no-deps", f"srlib @ git+{ADDRESS}@{BRANCH}"], check=True)
    importlib.invalidate_caches()
    import srlib

print("srlib", srlib.__version__)
