// A box that scrolls must be reachable by keyboard. Which boxes do depends on the width of the window.
(() => {
  const boxes = "table, pre, div.math, .cell_output, .output";
  const mark = () => {
    for (const box of document.querySelectorAll(`.bd-article :is(${boxes})`)) {
      const scrolls = box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).overflowX !== "visible";
      if (scrolls) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  };
  addEventListener("load", mark);
  addEventListener("resize", mark);
})();
