// Pointers and wheel of a loupe: one pointer pans (or moves the split's divider), two pinch, the wheel zooms.
// `api` is what it may ask of the loupe: { state, centre, blockSize, set, zoomTo }.
function gestures(stage, hint, { state, centre, blockSize, set, zoomTo }) {
  const held = new Map();
  let dragging = null, pinch = null, origin = null, wheel = 0, hintTimer = 0;
  const place = (event, canvas) => {  // device pixels from the middle of the canvas
    const rect = canvas.getBoundingClientRect();
    return [event.clientX - rect.left - rect.width / 2, event.clientY - rect.top - rect.height / 2]
      .map((v) => v * ratio());
  };
  const spread = () => {
    const [[ax, ay], [bx, by]] = [...held.values()];
    return { far: Math.hypot(ax - bx, ay - by), x: (ax + bx) / 2, y: (ay + by) / 2 };
  };
  stage.addEventListener("pointerdown", (event) => {
    const canvas = event.target;
    if (canvas.tagName !== "CANVAS" || (event.pointerType === "mouse" && event.button !== 0)) return;
    const at = place(event, canvas);
    if (!held.size) origin = centre();
    canvas.setPointerCapture(event.pointerId);
    held.set(event.pointerId, at);
    canvas.classList.add("held");
    const near = Math.abs(at[0] + canvas.width / 2 - state.split * canvas.width) < 20 * ratio();
    dragging = state.mode === "split" && near && held.size === 1 ? "divider" : "picture";
    pinch = held.size === 2 ? { ...spread(), zoom: state.zoom } : null;
  });
  stage.addEventListener("pointermove", (event) => {
    const last = held.get(event.pointerId), canvas = event.target;
    if (!last) return;
    const at = place(event, canvas), { x, y } = centre(), size = blockSize();
    held.set(event.pointerId, at);
    if (held.size === 2 && pinch) {
      const now = spread();
      zoomTo(pinch.zoom * now.far / Math.max(1, pinch.far), now.x, now.y);
    } else if (dragging === "divider") set({ split: clamp(at[0] / canvas.width + 0.5, 0, 1) });
    else if (held.size === 1) set({ x: x - (at[0] - last[0]) / size, y: y - (at[1] - last[1]) / size });
  });
  const release = (event) => {
    held.delete(event.pointerId);
    pinch = null;
    if (!held.size) for (const canvas of stage.querySelectorAll("canvas")) canvas.classList.remove("held");
  };
  for (const type of ["pointerup", "lostpointercapture"]) stage.addEventListener(type, release);
  stage.addEventListener("pointercancel", (event) => {  // the swipe scrolls the page: take back what it has moved
    if (held.size === 1 && dragging === "picture") set(origin);
    release(event);
  });
  stage.addEventListener("click", () => { stage.focus({ preventScroll: true }); hint.hidden = true; });
  stage.addEventListener("wheel", (event) => {
    // The page keeps the wheel until the reader has chosen this loupe (or pinches on a touch pad, which is Ctrl).
    if (!event.ctrlKey && !stage.getRootNode().activeElement) {
      hint.hidden = false;
      clearTimeout(hintTimer);
      hintTimer = setTimeout(() => { hint.hidden = true; }, 1500);
      return;
    }
    event.preventDefault();
    if (event.target.tagName !== "CANVAS") return;
    wheel += event.deltaMode === 0 ? event.deltaY : event.deltaY * 33;
    const steps = Math.trunc(wheel / (event.ctrlKey ? 10 : 60));
    if (steps) { wheel = 0; zoomTo(state.zoom - Math.sign(steps), ...place(event, event.target)); }
  }, { passive: false });
}
