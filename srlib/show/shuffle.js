// The pixel shuffle: state, controls and keys. Where pixels go and how they are drawn is in flights.js, the page's
// address and colours in page.js; rearrangement.py joins them into one closure.
const STEP_MS = 900, FLIGHT_MS = 600;
const KEYS = [
  ["arrows", "next pixel of the picture (with Shift: next block)"], ["+ −", "one channel more, one less"],
  ["2 3 4", "choose r"], ["Esc", "let the pixel go"],
];

function rearrangement(host, img) {
  const options = JSON.parse(host.dataset.options), key = `shuffle-${options.name}`;
  const source = element("canvas", { width: img.naturalWidth, height: img.naturalHeight });
  source.getContext("2d").drawImage(img, 0, 0);
  const { width, height } = source, { data } = source.getContext("2d").getImageData(0, 0, width, height);
  const state = { r: options.r, step: options.r ** 2, order: 0, chosen: null, alone: false };
  const shape = () => ({ r: state.r, w: width / state.r, h: height / state.r, width, height });
  const colourOf = (k, x, y) => {  // channel k holds the phase in row k / r and column k % r
    const [X, Y] = ORDERS[0].there(shape(), k, x, y), at = 4 * (Y * width + X);
    return `rgb(${data[at]},${data[at + 1]},${data[at + 2]})`;
  };
  const reduced = matchMedia("(prefers-reduced-motion: reduce)");
  let layout = null, progress = state.step, target = progress, frame = 0, timer = 0, settle = 0;

  // controls
  const button = (text, onclick, extra = {}) => element("button", { type: "button", onclick, ...extra }, text);
  const factors = options.factors.map((r) => [r, button(`r = ${r}`, () => chooseFactor(r))]);
  const orders = element("select", { onchange: () => set({ order: Number(orders.value) }) },
    ...ORDERS.map(({ text }, i) => element("option", { value: i }, text)));
  const less = button("Back", () => step(-1)), more = button("Next channel", () => step(1));
  const run = button("Play", () => play(!timer));
  const slider = element("input", { type: "range", min: 0, step: 1, "aria-label": "Channels in the picture",
    oninput: () => { const step = Number(slider.value); play(false); set({ step }); } });
  const count = element("output");
  const alone = element("input", { type: "checkbox", onchange: () => set({ alone: alone.checked }) });
  const canvas = element("canvas", { role: "img" });
  const stage = element("div", { class: "stage", tabindex: 0, role: "application",
    "aria-label": "Channels and picture. Arrows go from pixel to pixel, plus and minus add and take a channel." }, canvas);
  const where = element("p", { class: "where" });
  const status = element("p", { class: "unseen", role: "status", "aria-live": "polite" });
  const group = (label, ...children) =>
    element("div", { class: "group", role: "group", "aria-label": label }, ...children);
  const box = element("section", { class: "box shuffle", "aria-label": options.title || "The pixel shuffle" },
    ...(options.title ? [element("div", { class: "title" }, options.title)] : []),
    element("div", { class: "bar" }, group("Factor", ...factors.map(([, node]) => node)),
      element("label", {}, "Order", orders)),
    element("div", { class: "bar" }, element("label", {}, "Channels", slider, "Picture"), count,
      group("Steps", less, more, run), element("label", {}, alone, "only the chosen channel")),
    stage, where, status,
    element("details", {}, element("summary", {}, "Keys"),
      element("dl", {}, ...KEYS.flatMap(([k, what]) => [element("dt", {}, k), element("dd", {}, what)]))));

  // what is seen
  function render() {
    const dpr = ratio(), room = Math.floor(stage.clientWidth * dpr);
    if (!room) return;  // not laid out yet, e.g. in a closed tab; the resize observer calls again
    layout = arrange(shape(), room, dpr);
    const [wide, high] = layout.size;
    if (canvas.width !== wide || canvas.height !== high) Object.assign(canvas, { width: wide, height: high });
    canvas.style.width = `${wide / dpr}px`;
    canvas.style.height = `${high / dpr}px`;
    const style = getComputedStyle(box), colour = (name) => style.getPropertyValue(name).trim();
    const colours = { text: colour("--text"), empty: colour("--empty"), mark: "#ffb000" };
    paint(canvas.getContext("2d"), shape(), layout, { ...state, order: ORDERS[state.order], progress }, colourOf,
      colours, dpr);
  }
  function controls() {
    const { r, step: done } = state, all = r * r;
    for (const [factor, node] of factors) node.setAttribute("aria-pressed", String(factor === r));
    orders.value = state.order;
    alone.checked = state.alone;
    slider.max = all;
    slider.value = done;
    slider.setAttribute("aria-valuetext", `${done} of ${all} channels`);
    count.textContent = `${done} of ${all}`;
    less.disabled = done === 0;
    more.disabled = done === all;
    run.hidden = reduced.matches;
    run.textContent = timer ? "Pause" : "Play";
    where.textContent = told();
    canvas.setAttribute("aria-label", `${all} channels of ${width / r} × ${height / r} pixels, and a picture of `
      + `${width} × ${height} pixels with ${done} of them laid out. Order: ${ORDERS[state.order].text}.`);
  }
  function told() {
    if (!state.chosen) return "Point at a pixel, or press an arrow key, to see which channel it comes from.";
    const [k, x, y] = state.chosen, order = ORDERS[state.order], [X, Y] = order.there(shape(), k, x, y);
    return `Channel ${k}, row ${y}, column ${x} goes to row ${Y}, column ${X} of the picture. ${order.why(shape(), k)}`;
  }

  // what the reader does
  function set(change, quiet = false) {
    Object.assign(state, change);
    if (state.step !== target) fly();
    render();
    controls();
    clearTimeout(settle);
    settle = setTimeout(() => {
      status.textContent = state.chosen ? told() : `${count.textContent} channels laid out`;
      const at = state.chosen ? ORDERS[state.order].there(shape(), ...state.chosen) : [];
      if (!quiet && options.name) writeAddress(key, [state.r, state.step, state.order + 1, ...at]);
    }, 250);
  }
  function jump(to) {  // without a flight
    cancelAnimationFrame(frame);
    progress = target = state.step = to;
  }
  function fly() {  // from where the channels are to where they ought to be
    const from = progress, start = performance.now(), to = state.step;
    if (reduced.matches || Math.abs(to - from) > 1.5) return jump(to);
    cancelAnimationFrame(frame);
    target = to;
    const move = (now) => {
      const part = clamp((now - start) / FLIGHT_MS, 0, 1);
      progress = from + (to - from) * part;
      render();
      if (part < 1 && host.isConnected) frame = requestAnimationFrame(move);
    };
    frame = requestAnimationFrame(move);
  }
  function step(by) {
    play(false);
    set({ step: clamp(state.step + by, 0, state.r ** 2) });
  }
  function play(on) {
    clearInterval(timer);
    timer = 0;
    if (on) {
      if (state.step === state.r ** 2) { jump(0); set({}); }
      timer = setInterval(() => {
        if (state.step < state.r ** 2 && host.isConnected) set({ step: state.step + 1 });
        else play(false);
      }, STEP_MS);
    }
    controls();
  }
  function chooseFactor(r) {
    play(false);
    const at = state.chosen && ORDERS[state.order].there(shape(), ...state.chosen);
    jump(state.step === state.r ** 2 ? r * r : 0);
    state.r = r;
    set({ chosen: at && ORDERS[state.order].back(shape(), ...at) });  // the same pixel of the picture
  }
  function go(dx, dy) {  // the next pixel of the picture; the first one is in the middle
    const order = ORDERS[state.order];
    const [X, Y] = state.chosen ? order.there(shape(), ...state.chosen) : [width / 2 - dx, height / 2 - dy];
    set({ chosen: order.back(shape(), clamp(X + dx, 0, width - 1), clamp(Y + dy, 0, height - 1)) });
  }
  function point(event) {
    if (!layout) return;
    const rect = canvas.getBoundingClientRect(), scale = canvas.width / rect.width;
    const found = under(shape(), layout, ORDERS[state.order], (event.clientX - rect.left) * scale,
      (event.clientY - rect.top) * scale);
    if (found && String(found) !== String(state.chosen)) set({ chosen: found });
  }
  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { key: pressed } = event, inside = event.composedPath()[0];
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const far = event.shiftKey ? state.r : 1;
    if (inside.matches("select, input")) { event.stopPropagation(); return; }
    if (arrows[pressed]) go(...arrows[pressed].map((v) => v * far));
    else if (pressed === "+" || pressed === "=") step(1);
    else if (pressed === "-" || pressed === "_") step(-1);
    else if (options.factors.includes(Number(pressed))) chooseFactor(Number(pressed));
    else if (pressed === "Escape") { play(false); set({ chosen: null }); inside.blur(); }
    else return;
    event.preventDefault();
    event.stopPropagation();  // so that neither the page's nor the notebook's own shortcuts run as well
  }
  function restore() {  // what the address says, as far as it makes sense
    const parts = options.name && readAddress(key);
    if (!parts) return false;
    const [r, done, order, X, Y] = parts.map(whole), change = { chosen: null };
    if (options.factors.includes(r)) change.r = r;
    if (order >= 1 && order <= ORDERS.length) change.order = order - 1;
    Object.assign(state, change);
    jump(done <= state.r ** 2 ? done : state.r ** 2);
    set(X < width && Y < height ? { chosen: ORDERS[state.order].back(shape(), X, Y) } : {}, true);
    return true;
  }

  const root = host.attachShadow({ mode: "open" });
  root.append(element("style", {}, CSS), box);
  box.addEventListener("keydown", onKey);
  canvas.addEventListener("pointermove", point);
  canvas.addEventListener("pointerdown", (event) => { point(event); stage.focus({ preventScroll: true }); });
  followTheme(box);
  new MutationObserver(render).observe(box, { attributes: true });  // light to dark
  new ResizeObserver(render).observe(stage);
  reduced.addEventListener("change", () => { play(false); });
  const arrive = () => {
    if (host.isConnected && restore() && isFirst(key)) host.scrollIntoView({ block: "center" });
  };
  addEventListener("hashchange", arrive);
  if (document.readyState !== "complete") addEventListener("load", arrive, { once: true });  // all has its place then
  render();
  controls();
  arrive();
}

const scope = document.currentScript?.getRootNode() ?? document;
for (const host of scope.querySelectorAll(".srlib-shuffle:not([data-ready])")) {
  host.dataset.ready = "";
  const img = host.querySelector("img[data-picture]");
  img.decode().then(() => rearrangement(host, img)).catch(() => delete host.dataset.ready);  // the plain pictures stay
}
