"""What the book needs of Sphinx beyond its configuration.

1. Launch buttons, repository links and the public address appear only once `repository.url` is set.
2. MathJax is copied into the site, so that a page asks no other host for it.
3. Scripts that the theme adds and the book does not use are dropped.
4. The marks that tell nbval which outputs to compare are for the tests, and are not shown.
"""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

# Of the 24 MB of MathJax: TeX in, HTML out, its fonts, and the TeX extensions it loads when a page needs one.
MATHJAX = ("tex-chtml.js", "input/tex/extensions", "output/chtml/fonts/woff-v2")

MARK = "# NBVAL_CHECK_OUTPUT\n"


def publish(app: Sphinx) -> None:
    """Turn on all that needs a public address, where there is one."""
    theme: dict[str, Any] = app.config.html_theme_options
    url: str = theme.get("repository_url", "")
    if not url:
        return
    owner, _, repository = url.removeprefix("https://github.com/").partition("/")
    site = f"https://{owner.lower()}.github.io/{repository}/"
    theme["launch_buttons"] = {"colab_url": "https://colab.research.google.com"}
    theme["use_repository_button"] = theme["use_issues_button"] = theme["use_edit_page_button"] = True
    app.config.html_baseurl = site
    app.setup_extension("sphinx_sitemap")
    app.setup_extension("sphinxext.opengraph")
    app.config.ogp_site_url = site
    app.config.ogp_social_cards = {"enable": False}  # drawing them asks for fonts that nobody has
    app.config.sitemap_url_scheme = "{link}"


def drop_scripts(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Leave out the scripts of Thebe, which need a remote kernel, and the second copy of any other."""
    kept: list[Any] = []
    for script in context.get("script_files", []):
        name, body = getattr(script, "filename", script), getattr(script, "attributes", {}).get("body") or ""
        unused = "THEBE_JS_URL" in body or "sphinx-thebe.js" in str(name or "")
        if not unused and script not in kept:
            kept.append(script)
    context["script_files"] = kept


def hide_marks(app: Sphinx, doctree: nodes.document) -> None:
    """Show the code of a marked cell without the mark."""
    for block in doctree.findall(nodes.literal_block):
        text = block.astext()
        if text.startswith(MARK):
            block.rawsource = text.removeprefix(MARK)
            block.children = []
            block += nodes.Text(block.rawsource)


def copy_mathjax(app: Sphinx, error: Exception | None) -> None:
    """Put MathJax where `mathjax_path` says it is."""
    spec = importlib.util.find_spec("sphinx-mathjax-offline")  # with a hyphen: `import` cannot say it
    if error or app.builder.format != "html" or spec is None or spec.origin is None:
        return
    package = Path(spec.origin).parent / "static" / "mathjax"
    site = Path(app.outdir) / "_static" / "mathjax"
    for part in MATHJAX:
        if (package / part).is_dir():
            shutil.copytree(package / part, site / part, dirs_exist_ok=True)
        else:
            site.mkdir(parents=True, exist_ok=True)
            shutil.copy(package / part, site / part)


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    publish(app)
    app.connect("html-page-context", drop_scripts, priority=900)  # after the theme has added its own
    app.connect("doctree-read", hide_marks)
    app.connect("build-finished", copy_mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
