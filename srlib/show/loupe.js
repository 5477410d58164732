// The loupe: pictures of one size, seen through the same window. Here are its state, controls and keys. Its pixels are
// in drawing.js, pointers and wheel in gestures.js, the page's address and colours in page.js; viewer.py joins all of
// them into one closure. All elements live in the host's shadow root, so that any number of loupes share a page; the
// plain pictures in the host are what a reader without scripts sees.
const MAX_ZOOM = 16, BLINK_MS = 800;
const MODES = [
  ["all", "Side by side", "a"], ["one", "One", "o"], ["blink", "Blink", "b"], ["split", "Split", "s"],
  ["difference", "Difference", "d"],
];
const KEYS = [
  ["arrows", "pan (with Shift: farther)"], ["+ −", "zoom in, out"], ["0", "back to the start"],
  ["1 … 9", "choose a picture"], ["a o", "side by side, one picture"], ["b", "blink between two, space swaps them"],
  ["s", "split the view between two"], ["d", "difference from the second picture"], ["Esc", "leave the pictures"],
];

// Makes `host` a loupe. What comes back redraws it when the pictures' pixels have changed, and closes it.
function loupe(host, pictures, options) {
  const count = pictures.length, gone = new AbortController(), { signal } = gone;
  const width = pictures[0].canvas.width * pictures[0].factor, height = pictures[0].canvas.height * pictures[0].factor;
  const start = { x: options.center[0], y: options.center[1], zoom: options.zoom, mode: options.mode,
    a: Math.max(0, count - 2), b: count - 1, split: 0.5 };
  const state = { ...start }, differences = new Map(), panels = [];
  let swapped = false, timer = 0, before = "all", settle = 0;
  const reduced = matchMedia("(prefers-reduced-motion: reduce)");

  // controls
  const button = (text, label, keys, onclick, extra = {}) =>
    element("button", { type: "button", "aria-label": label === text ? null : label, "aria-keyshortcuts": keys,
      title: keys ? `${label} (${keys})` : label, onclick, ...extra }, text);
  const choose = (key) => {
    const select = element("select", { onchange: () => set({ [key]: Number(select.value) }) },
      ...pictures.map((p, i) => element("option", { value: i }, p.title)));
    const text = element("span");
    const name = (what) => { text.textContent = what; select.setAttribute("aria-label", `${what} picture`); };
    return { select, name, label: element("label", {}, text, select) };
  };
  const modes = MODES.slice(0, count > 1 ? 5 : 2).map(([mode, text, key]) =>
    [mode, button(text, text, key, () => chooseMode(mode))]);
  const first = choose("a"), second = choose("b");
  const swap = button("Swap", "Swap the two pictures", "Space", () => { play(false); swapped = !swapped; render(); });
  const divider = element("input", { type: "range", min: 0, max: 100, step: 1,
    oninput: () => set({ split: divider.value / 100 }) });
  const dividerLabel = element("label", {}, "Divider", divider);
  const zoomOut = button("−", "Zoom out", "-", () => zoomBy(-1), { class: "square" });
  const zoomIn = button("+", "Zoom in", "+", () => zoomBy(1), { class: "square" });
  const zoomText = element("output", {});
  const pans = [["←", "left", -1, 0], ["↑", "up", 0, -1], ["↓", "down", 0, 1], ["→", "right", 1, 0]].map(
    ([text, where, dx, dy]) => button(text, `Pan ${where}`, `Arrow${where[0].toUpperCase()}${where.slice(1)}`,
      () => pan(dx, dy), { class: "square" }));
  const reset = button("Reset", "Reset, back to the start", "0", () => set({ ...start, mode: state.mode }));
  const group = (label, ...children) =>
    element("div", { class: "group", role: "group", "aria-label": label }, ...children);
  const chosen = group("Pictures", first.label, second.label, swap, dividerLabel);
  const hint = element("div", { class: "hint", hidden: true }, "Click the pictures, then turn the wheel to zoom");
  const stage = element("div", { class: "stage", tabindex: 0, role: "application",
    "aria-label": "Pictures. Arrows pan, plus and minus zoom, digits choose a picture." }, hint);
  const colours = [-1, -0.5, 0, 0.5, 1].map((t) => `rgb(${ramp(t)})`).join(",");
  const legend = element("div", { class: "legend" }, `−${LIMIT}`,
    element("div", { class: "ramp", style: `background:linear-gradient(to right,${colours})`, role: "img",
      "aria-label": "scale from blue, negative, over white, zero, to red, positive" }),
    `+${LIMIT} grey levels`);
  const status = element("p", { class: "status", role: "status", "aria-live": "polite" });
  const box = element("section", { class: "box loupe", "aria-label": options.title || "Comparison of pictures" },
    ...(options.title ? [element("div", { class: "title" }, options.title)] : []),
    element("div", { class: "bar" },
      group("View", ...modes.map(([, node]) => node)), group("Zoom", zoomOut, zoomText, zoomIn),
      group("Pan", ...pans, reset),
      chosen),
    stage, legend, status,
    element("details", {}, element("summary", {}, "Keys"),
      element("dl", {}, ...KEYS.flatMap(([k, what]) => [element("dt", {}, k), element("dd", {}, what)]))));

  // what is seen
  function views() {
    const two = [pictures[state.a], pictures[state.b]], one = two[swapped ? 1 : 0];
    if (state.mode === "all") return pictures.map((p) => ({ caption: p.title, layers: [p] }));
    if (state.mode === "one") return [{ caption: two[0].title, layers: [two[0]] }];
    if (state.mode === "blink") return [{ caption: one.title, layers: [one] }];
    if (state.mode === "split") return [{ caption: `${two[0].title} | ${two[1].title}`, layers: two }];
    return pictures.flatMap((p, i) => i === state.b ? [] :
      [{ caption: `${p.title} − ${two[1].title}`, layers: [differenceFrom(i, state.b)] }]);
  }
  function differenceFrom(a, b) {
    const key = `${a},${b}`;
    if (!differences.has(key)) differences.set(key, differenceOf(pictures[a], pictures[b]));
    return differences.get(key);
  }
  // A picture's pixel is zoom × round(devicePixelRatio) device pixels: whole blocks on every screen, and zoom 4 about
  // as large on a phone as on a monitor.
  const blockSize = () => state.zoom * Math.max(1, Math.round(ratio()));
  function centre() {  // kept inside the picture, as far as the first panel shows less than all of it
    const view = panels.length ? panels[0].canvas : { width: 1, height: 1 };
    const keep = (v, length, seen) => seen >= length ? length / 2 : clamp(v, seen / 2, length - seen / 2);
    return { x: keep(state.x, width, view.width / blockSize()), y: keep(state.y, height, view.height / blockSize()) };
  }
  function layOut(list) {
    while (panels.length < list.length) {
      const canvas = element("canvas", { role: "img" }), caption = element("figcaption");
      panels.push({ canvas, caption, figure: element("figure", {}, caption, canvas) });
      stage.append(panels.at(-1).figure);
    }
    const room = stage.clientWidth, gap = 8, most = clamp(Math.floor((room + gap) / (150 + gap)), 1, list.length);
    const columns = Math.ceil(list.length / Math.ceil(list.length / most));
    const share = Math.min((room - gap * (columns - 1)) / columns, options.height * 2);
    const wide = Math.floor(share * ratio());
    const high = Math.round(Math.min(options.height, wide / ratio() * 1.2) * ratio());
    stage.style.gridTemplateColumns = `repeat(${columns}, ${wide / ratio()}px)`;
    panels.forEach(({ figure, canvas, caption }, i) => {
      figure.hidden = i >= list.length;
      if (figure.hidden) return;
      if (canvas.width !== wide) canvas.width = wide;
      if (canvas.height !== high) canvas.height = high;
      canvas.style.width = `${wide / ratio()}px`;
      canvas.style.height = `${high / ratio()}px`;
      caption.textContent = list[i].caption;
      canvas.setAttribute("aria-label", list[i].caption);
    });
  }
  function render() {
    if (!stage.clientWidth) return;  // not laid out yet, e.g. in a closed tab; the resize observer calls again
    const list = views();
    layOut(list);
    const { x, y } = centre(), size = blockSize();
    list.forEach(({ layers }, i) => {
      const { canvas } = panels[i], context = canvas.getContext("2d");
      const left = Math.round(canvas.width / 2 - x * size), top = Math.round(canvas.height / 2 - y * size);
      const cut = layers.length > 1 ? Math.round(canvas.width * state.split) : canvas.width;
      context.clearRect(0, 0, canvas.width, canvas.height);
      drawPicture(context, layers[0], left, top, size, 0, cut);
      if (layers.length > 1) {
        drawPicture(context, layers[1], left, top, size, cut);
        drawDivider(context, cut, ratio());
      }
    });
    controls();
  }
  function controls() {
    const { mode } = state, pair = mode === "blink" || mode === "split";
    for (const [name, node] of modes) node.setAttribute("aria-pressed", String(name === mode));
    chosen.hidden = mode === "all";
    first.label.hidden = !(pair || mode === "one");
    second.label.hidden = !(pair || mode === "difference");
    first.name(mode === "one" ? "Shown" : mode === "split" ? "Left" : "First");
    second.name(mode === "difference" ? "Reference" : mode === "split" ? "Right" : "Second");
    swap.hidden = mode !== "blink";
    dividerLabel.hidden = mode !== "split";
    legend.hidden = mode !== "difference";
    first.select.value = state.a;
    second.select.value = state.b;
    divider.value = Math.round(state.split * 100);
    zoomText.textContent = `${state.zoom}×`;
    zoomOut.disabled = state.zoom <= 1;
    zoomIn.disabled = state.zoom >= MAX_ZOOM;
  }

  // what the reader does
  function set(change, quiet = false) {
    Object.assign(state, change);
    state.zoom = clamp(Math.round(state.zoom), 1, MAX_ZOOM);
    if (state.mode !== "blink") { play(false); swapped = false; }
    render();
    clearTimeout(settle);
    settle = setTimeout(() => {
      say();
      if (!quiet && options.name) writeAddress(`loupe-${options.name}`, addressOf({ ...state, ...centre() }));
    }, 250);
  }
  function chooseMode(mode) {
    if (mode === "blink" && state.mode === "blink") return set({ mode: before });
    if (mode === "blink") before = state.mode;
    set({ mode });
    play(mode === "blink" && !reduced.matches);
  }
  function play(on) {
    clearInterval(timer);
    timer = on ? setInterval(() => {
      if (!host.isConnected) return clearInterval(timer);
      swapped = !swapped;
      render();
    }, BLINK_MS) : 0;
  }
  function pan(dx, dy, part = 0.125) {  // by a part of the view, in whole pixels of the picture
    const { x, y } = centre(), view = panels[0].canvas;
    const step = Math.max(1, Math.round(Math.min(view.width, view.height) * part / blockSize()));
    set({ x: x + dx * step, y: y + dy * step });
  }
  const zoomBy = (step) => zoomTo(state.zoom + step, 0, 0);
  function zoomTo(zoom, dx, dy) {  // (dx, dy): the point that stays, in device pixels from the panel's middle
    const { x, y } = centre(), size = blockSize();
    const next = clamp(Math.round(zoom), 1, MAX_ZOOM) * size / state.zoom;
    set({ zoom, x: x + dx / size - dx / next, y: y + dy / size - dy / next });
  }
  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { key } = event, inside = event.composedPath()[0];
    const typing = inside.matches("select, input"), pressing = inside.matches("button, summary");
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const mode = MODES.find(([, , letter]) => letter === key.toLowerCase());
    if (key === "Escape") inside.blur();
    else if (typing) { event.stopPropagation(); return; }
    else if (arrows[key]) pan(...arrows[key], event.shiftKey ? 0.5 : 0.125);
    else if (key === "+" || key === "=") zoomBy(1);
    else if (key === "-" || key === "_") zoomBy(-1);
    else if (key === "0") set({ ...start, mode: state.mode });
    else if (/^[1-9]$/.test(key) && Number(key) <= count) {
      set({ a: Number(key) - 1, mode: ["blink", "split"].includes(state.mode) ? state.mode : "one" });
    } else if (key === " " && state.mode === "blink" && !pressing) swap.click();
    else if (mode && (count > 1 || mode[0] === "all" || mode[0] === "one")) chooseMode(mode[0]);
    else return;
    event.preventDefault();
    event.stopPropagation();  // so that neither the page's nor the notebook's own shortcuts run as well
  }

  // what is said, and kept in the address
  function say() {
    const { x, y } = centre(), where = `centre ${Math.round(x)}, ${Math.round(y)} of ${width} × ${height} pixels`;
    const label = MODES.find(([mode]) => mode === state.mode)[1].toLowerCase();
    status.textContent = `Zoom ${state.zoom}×, ${where}, ${label}`;
  }
  function addressOf({ x, y, zoom, mode, a, b, split }) {
    const short = (v) => Number(v.toFixed(1));
    return [short(x), short(y), zoom, mode, a + 1, b + 1, Math.round(split * 100)];
  }
  function restore() {  // what the address says, as far as it makes sense
    const parts = options.name && readAddress(`loupe-${options.name}`);
    if (!parts) return false;
    const [x, y, zoom, mode, a, b, split] = parts, change = {};
    if (x && y && isFinite(x) && isFinite(y)) Object.assign(change, { x: Number(x), y: Number(y) });
    if (whole(zoom) >= 1) change.zoom = whole(zoom);
    if (modes.some(([known]) => known === mode)) change.mode = mode;
    if (whole(a) >= 1 && whole(a) <= count) change.a = whole(a) - 1;
    if (whole(b) >= 1 && whole(b) <= count) change.b = whole(b) - 1;
    if (whole(split) <= 100) change.split = whole(split) / 100;
    set(change, true);
    return true;
  }

  const root = host.attachShadow({ mode: "open" });
  root.append(element("style", {}, CSS), box);
  box.addEventListener("keydown", onKey);
  gestures(stage, hint, { state, centre, blockSize, set, zoomTo });
  followTheme(box, signal);
  const resized = new ResizeObserver(render);
  resized.observe(stage);
  addEventListener("resize", render, { signal });  // a change of the page's zoom changes devicePixelRatio
  const arrive = () => {
    if (host.isConnected && restore() && isFirst(`loupe-${options.name}`)) host.scrollIntoView({ block: "center" });
  };
  addEventListener("hashchange", arrive, { signal });
  render();
  say();
  arrive();
  return {
    redraw() {
      differences.clear();
      for (const picture of pictures) picture.forget();
      render();
    },
    close() {  // whoever still listens would keep the pictures in memory
      play(false);
      clearTimeout(settle);
      resized.disconnect();
      gone.abort();
    },
  };
}
