"""Execute chapters in place: a fresh kernel each, top to bottom, outputs stored without time stamps."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError


def execute(path: Path, timeout: int = 300) -> float:
    """Run one notebook and store its outputs; returns the seconds it took.

    The kernel's working directory is the folder of the notebook. A cell may take `timeout` seconds. A cell
    that fails raises CellExecutionError, and the file is left as it was.
    """
    notebook = nbformat.read(path, as_version=4)
    start = time.perf_counter()
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=timeout,
        record_timing=False,  # or every execution would change every cell
        coalesce_streams=True,  # or prints that slow code separates would stand in boxes of their own
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    seconds = time.perf_counter() - start
    notebook.metadata.pop("widgets", None)  # a slider's state is of no use without its kernel, and is large
    nbformat.write(notebook, path)
    return seconds


def main() -> None:
    """Execute the notebooks named on the command line; say how long each took."""
    for name in sys.argv[1:]:
        try:
            print(f"{name}: {execute(Path(name)):.1f} s", flush=True)
        except CellExecutionError as error:
            sys.exit(f"{name}: not stored, because a cell failed\n{error}")


if __name__ == "__main__":
    main()
