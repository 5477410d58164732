// The training time machine: one network at the steps at which its weights were kept. All was computed while the book
// was built; a network's pictures are two strips with a row for each step, loaded when the network is chosen.
const SVG = "http://www.w3.org/2000/svg", PLAY_MS = 350, HEIGHT = 190, TOP = 14, BOTTOM = 26;
const KINDS = ["weights", "changes since step 0"], BESIDE = ["LR", "bicubic", "HR"];
const number = (value) => value.toLocaleString("en");
const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)} dB`;

function shape(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// The gains of a network over its steps, the latter on a logarithmic axis; a click on a dot goes there.
function curve({ steps, gains, title }, go) {
  const low = Math.min(-0.25, Math.floor(Math.min(...gains) * 4) / 4), high = Math.ceil(Math.max(...gains) * 4) / 4;
  const across = (step) => 8 + 89 * Math.log10(1 + step) / Math.log10(1 + steps.at(-1));
  const down = (gain) => TOP + (high - gain) / (high - low) * (HEIGHT - TOP - BOTTOM);
  const line = (x1, x2, y1, y2, kind) => shape("line", { x1: `${x1}%`, x2: `${x2}%`, y1, y2, class: kind });
  const text = (x, y, anchor, said) => shape("text", { x: `${x}%`, y, "text-anchor": anchor }, said);
  const plot = shape("svg", { width: "100%", height: HEIGHT, overflow: "visible", role: "img" });
  for (let gain = Math.ceil(low * 2) / 2; gain <= high; gain += 0.5) {
    plot.append(line(8, 97, down(gain), down(gain), gain ? "rule" : "zero"), text(7, down(gain) + 4, "end", gain.toFixed(1)));
  }
  for (let step = 1; step <= steps.at(-1); step *= 10) {
    plot.append(line(across(step), across(step), HEIGHT - BOTTOM, HEIGHT - BOTTOM + 4, "rule"),
      text(across(step), HEIGHT - BOTTOM + 17, "middle", step < 1000 ? step : `${step / 1000}k`));
  }
  const points = steps.map((step, k) => `${(across(step) - 8) / 89 * 1000},${down(gains[k]) - TOP}`).join(" ");
  const inner = shape("svg", { x: "8%", y: TOP, width: "89%", height: HEIGHT - TOP - BOTTOM, preserveAspectRatio: "none",
    viewBox: `0 0 1000 ${HEIGHT - TOP - BOTTOM}`, overflow: "visible" },
    shape("polyline", { points, class: "line", "vector-effect": "non-scaling-stroke" }));
  plot.append(inner, ...steps.map((step, k) => {
    const dot = shape("circle", { cx: `${across(step)}%`, cy: down(gains[k]), r: 4, class: "dot" });
    dot.addEventListener("click", () => go(k));
    return dot;
  }));
  const now = line(0, 0, TOP, HEIGHT - BOTTOM, "now"), here = shape("circle", { r: 7, class: "here" });
  plot.append(now, here);
  const mark = (k) => {
    for (const side of ["x1", "x2"]) now.setAttribute(side, `${across(steps[k])}%`);
    here.setAttribute("cx", `${across(steps[k])}%`);
    here.setAttribute("cy", down(gains[k]));
    plot.setAttribute("aria-label", `${title}: gain over bicubic from ${signed(gains[0])} at step 0 to `
      + `${signed(gains.at(-1))} at step ${number(steps.at(-1))}. Now at ${signed(gains[k])}.`);
  };
  return { plot, mark };
}

function timeMachine(host) {
  const { networks, base, what } = JSON.parse(host.dataset.options), key = "time-machine";
  const state = { network: 0, at: networks[0].steps.length - 1, kind: 1, beside: 1 };
  const reduced = matchMedia("(prefers-reduced-motion: reduce)"), strips = new Map();
  let timer = 0, settle = 0, drawn = null;

  const button = (text, onclick, extra = {}) => element("button", { type: "button", onclick, ...extra }, text);
  const choices = networks.map(({ title }, i) => button(title, () => choose(i)));
  const slider = element("input", { type: "range", min: 0, step: 1, "aria-label": "Step of the training",
    oninput: () => { play(false); set({ at: Number(slider.value) }); } });
  const step = element("output");
  const earlier = button("Earlier", () => go(state.at - 1)), later = button("Later", () => go(state.at + 1));
  const run = button("Play", () => play(!timer));
  const select = (label, values, name) => element("select", { "aria-label": label,
    onchange: (event) => set({ [name]: Number(event.target.value) }) },
    ...values.map((text, i) => element("option", { value: i }, text)));
  const beside = select("Shown beside it", BESIDE, "beside"), kind = select("Filters show", KINDS, "kind");
  const left = element("canvas", { role: "img" }), right = element("canvas", { role: "img" });
  const filters = element("canvas", { role: "img" }), limit = element("span"), size = element("span");
  const nowCaption = element("figcaption"), figure = (caption, ...rest) => element("figure", {}, caption, ...rest);
  const colours = ["#053061", "#4393c3", "#f7f7f7", "#d6604d", "#67001f"].join(",");
  const legend = element("div", { class: "legend" }, limit,
    element("div", { class: "ramp", style: `background:linear-gradient(to right,${colours})` }), size);
  const filterFigure = figure(element("figcaption", {}, "First layer", kind), filters, legend);
  const curveBox = element("div", { class: "curve" }), heading = element("figcaption");
  const views = element("div", { class: "views" }, figure(element("figcaption", {}, "Beside it", beside), left),
    figure(nowCaption, right));
  const below = element("div", { class: "views" }, filterFigure, figure(heading, curveBox));
  const told = element("p", { class: "told" });
  const status = element("p", { class: "unseen", role: "status", "aria-live": "polite" });
  const box = element("section", { class: "box machine", "aria-label": "Training time machine" },
    element("div", { class: "bar" },
      element("div", { class: "group", role: "group", "aria-label": "Network" }, ...choices)),
    element("div", { class: "slide" }, slider, step,
      element("div", { class: "group", role: "group", "aria-label": "Steps" }, earlier, later, run)),
    told, views, below, status);

  // what is seen
  const loaded = async (name) => {  // a strip is asked for once
    if (!strips.has(name)) {
      const img = new Image();
      img.src = base + name;
      strips.set(name, img.decode().then(() => img));
    }
    return strips.get(name);
  };
  function fit(canvas, width, height, room) {  // whole device pixels for each pixel
    const zoom = Math.max(1, Math.floor(room * ratio() / width));
    canvas.style.width = `${width * zoom / ratio()}px`;
    canvas.style.height = `${height * zoom / ratio()}px`;
    return zoom;
  }
  function layOut() {
    const room = views.clientWidth;
    if (!room) return;
    const { crop } = networks[state.network], share = (room - 10) / 2;
    views.style.gridTemplateColumns = "repeat(2, minmax(0, max-content))";
    for (const canvas of [left, right]) fit(canvas, crop, crop, Math.min(share, 3.3 * crop));
    const two = room > 560;
    below.style.gridTemplateColumns = two ? "max-content minmax(0, 1fr)" : "minmax(0, 1fr)";
    drawFilters(two ? Math.min(260, room * 0.4) : Math.min(room, 300));
  }
  function drawRow(canvas, row, crop) {
    if (canvas.width !== crop) Object.assign(canvas, { width: crop, height: crop });
    canvas.getContext("2d").drawImage(drawn.pieces, 0, row * crop, crop, crop, 0, 0, crop, crop);
  }
  function drawFilters(room) {
    if (!drawn) return;
    const { steps, filter: { size: f, count, columns } } = networks[state.network], rows = count / columns;
    const high = f + 1, wide = columns * high - 1, tall = rows * high - 1;
    if (filters.width !== wide || filters.height !== tall) Object.assign(filters, { width: wide, height: tall });
    const context = filters.getContext("2d"), top = (state.kind * steps.length + state.at) * rows * f;
    context.clearRect(0, 0, wide, tall);
    for (let i = 0; i < count; i++) {
      const column = i % columns, row = Math.floor(i / columns);
      context.drawImage(drawn.filters, column * f, top + row * f, f, f, column * high, row * high, f, f);
    }
    fit(filters, wide, tall, room);
  }
  async function load() {  // the pictures of the chosen network, then what depends on them
    const { id } = networks[state.network];
    views.setAttribute("aria-busy", "true");
    try {
      const [pieces, sheets] = await Promise.all([loaded(`${id}.webp`), loaded(`${id}-filters.png`)]);
      if (networks[state.network].id !== id) return;  // another one was chosen meanwhile
      drawn = { id, pieces, filters: sheets };
      render();
    } catch {
      status.textContent = told.textContent = "The pictures of this network could not be loaded.";
    }
    views.removeAttribute("aria-busy");
  }
  let chart = null;
  function render() {
    const network = networks[state.network], { steps, gains, bicubic, crop } = network, { at } = state;
    choices.forEach((node, i) => node.setAttribute("aria-pressed", String(i === state.network)));
    if (chart?.network !== network) {
      chart = { network, ...curve(network, go) };
      curveBox.replaceChildren(chart.plot);
      heading.textContent = `dB over bicubic by step (0 is bicubic's ${bicubic.toFixed(2)} dB)`;
    }
    chart.mark(at);
    slider.max = steps.length - 1;
    slider.value = at;
    slider.setAttribute("aria-valuetext", `step ${number(steps[at])}`);
    step.textContent = `step ${number(steps[at])} of ${number(steps.at(-1))}`;
    earlier.disabled = at === 0;
    later.disabled = at === steps.length - 1;
    run.hidden = reduced.matches;
    run.textContent = timer ? "Pause" : "Play";
    beside.value = state.beside;
    kind.value = state.kind;
    const mean = element("b", {}, signed(gains[at]));
    told.replaceChildren(mean, ` against bicubic: ${(bicubic + gains[at]).toFixed(2)} dB`);
    nowCaption.textContent = `At step ${number(steps[at])}`;
    const most = network.filter.limits[state.kind];
    limit.textContent = `−${most}`;
    size.textContent = `+${most}`;
    left.setAttribute("aria-label", `${what}, ${BESIDE[state.beside]}`);
    right.setAttribute("aria-label", `${what}, enlarged by ${network.title} as it was at step ${number(steps[at])}`);
    filters.setAttribute("aria-label", `${network.filter.count} filters of the first layer, ${KINDS[state.kind]}`);
    if (drawn?.id !== network.id) return;
    drawRow(left, steps.length + state.beside, crop);
    drawRow(right, at, crop);
    layOut();
  }

  // what the reader does
  function set(change, quiet = false) {
    const { network } = state;
    Object.assign(state, change);
    render();
    if (state.network !== network || !drawn) load();
    clearTimeout(settle);
    settle = setTimeout(() => {
      status.textContent = `${networks[state.network].title}, ${step.textContent}: ${told.textContent}`;
      if (!quiet) writeAddress(key, [networks[state.network].id, networks[state.network].steps[state.at]]);
    }, 250);
  }
  function choose(i) {  // the nearest step of another network
    const step = networks[state.network].steps[state.at], far = networks[i].steps.map((s) => Math.abs(s - step));
    play(false);
    set({ network: i, at: far.indexOf(Math.min(...far)) });
  }
  function go(at) {
    play(false);
    set({ at: clamp(at, 0, networks[state.network].steps.length - 1) });
  }
  function play(on) {
    clearInterval(timer);
    timer = 0;
    const last = networks[state.network].steps.length - 1;
    if (on) {
      if (state.at === last) set({ at: 0 });
      timer = setInterval(() => {
        if (state.at < last && host.isConnected) set({ at: state.at + 1 });
        else play(false);
      }, PLAY_MS);
    }
    run.textContent = timer ? "Pause" : "Play";
  }
  function restore() {  // what the address says, as far as it makes sense
    const [id, at] = readAddress(key) ?? [], network = networks.findIndex((one) => one.id === id);
    if (network < 0) return false;
    const place = networks[network].steps.indexOf(whole(at));
    set({ network, at: place < 0 ? networks[network].steps.length - 1 : place }, true);
    return true;
  }

  host.attachShadow({ mode: "open" }).append(element("style", {}, CSS), box);
  box.addEventListener("keydown", (event) => { if (event.key.startsWith("Arrow")) event.stopPropagation(); });
  followTheme(box);
  new ResizeObserver(layOut).observe(views);
  reduced.addEventListener("change", () => { play(false); render(); });
  addEventListener("hashchange", restore);
  if (!restore()) set({}, true);
}

for (const host of document.querySelectorAll(".sr-time-machine:not([data-ready])")) {
  host.dataset.ready = "";
  timeMachine(host);
}
