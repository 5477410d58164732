"""What nbval does with the chapters' traps: the reason for the rules, and for the cell timeout."""

from __future__ import annotations

import time

from cells import Nbval, code, notebook_of, printed

from tools.chapters import Notebook
from tools.rules import MARK, problems


def test_a_wrong_output_fails_where_it_is_marked(nbval: Nbval) -> None:
    marked = nbval(notebook_of(code(f"{MARK}\nprint(1 + 1)", 1, printed("3\n"))))
    assert marked.returncode == 1, marked.stdout
    assert "1 failed" in marked.stdout
    unmarked = nbval(notebook_of(code("print(1 + 1)", 1, printed("3\n"))))
    assert unmarked.returncode == 0, unmarked.stdout


def test_a_stripped_notebook_passes_nbval_and_is_caught_by_the_rules(nbval: Nbval, chapter: Notebook) -> None:
    stripped = notebook_of(code(f"{MARK}\nprint(1 + 1)", None))
    assert nbval(stripped).returncode == 0, "nbval has learnt to see this: the rule can go"
    assert any("nothing would be compared" in problem for problem in problems(stripped))


def test_a_dead_kernel_fails_within_the_timeout(nbval: Nbval) -> None:
    start = time.monotonic()
    run = nbval(notebook_of(code("import os\n\nos._exit(1)", 1)), "--nbval-cell-timeout=5")
    assert run.returncode == 1, run.stdout
    assert time.monotonic() - start < 60  # nbval's own timeout would be 2000 s


def test_a_cell_that_hangs_fails_within_the_timeout(nbval: Nbval) -> None:
    run = nbval(notebook_of(code("import time\n\ntime.sleep(600)", 1)), "--nbval-cell-timeout=2")
    assert run.returncode == 1, run.stdout
    assert "1 failed" in run.stdout
