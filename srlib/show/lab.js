// The lab: five choices, and the score that bicubic has under them. All scores are in the host's options, in the order of
// the choices; the axes are the host's own, which a reader without scripts sees. page.js has what all figures share.
const SVG = "http://www.w3.org/2000/svg";

function shape(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

const db = (value) => `${value.toFixed(2)} dB`;
const signed = (value) => {
  const text = Math.abs(value).toFixed(2);
  return `${text === "0.00" ? "±" : value < 0 ? "−" : "+"}${text} dB`;
};

function laboratory(host) {
  const { title, name, pictures, scale: start, choices, rows, scores } = JSON.parse(host.dataset.options);
  const scales = Object.keys(scores).map(Number), key = `lab-${name}`;
  const state = { scale: start, chosen: choices.map(() => 0) };
  const indexOf = (chosen) => choices.reduce((sum, [, options], i) => sum * options.length + chosen[i], 0);
  const scoreOf = (chosen) => scores[state.scale][indexOf(chosen)];

  // controls
  const scaleButtons = scales.map((scale) =>
    [scale, element("button", { type: "button", onclick: () => set({ scale }) }, `×${scale}`)]);
  const back = element("button", { type: "button", onclick: () => set({ chosen: choices.map(() => 0) }) },
    "Back to protocol A");
  const radios = choices.map(([choice, options], i) => options.map((option, k) =>
    element("input", { type: "radio", name: choice, value: k,
      onchange: () => set({ chosen: state.chosen.with(i, k) }) })));
  const sets = choices.map(([choice, options], i) => element("fieldset", {}, element("legend", {}, choice),
    ...options.map((option, k) => element("label", {}, radios[i][k], option))));
  const value = element("b"), against = element("span"), rank = element("div", { class: "status" });
  const heading = element("p"), plot = element("div");
  const rowButtons = rows.map(([row, chosen]) => {
    const score = element("span"), same = element("span", { class: "same" });
    return { chosen, score, same, button: element("button",
      { type: "button", onclick: () => set({ chosen: [...chosen] }) }, row, score, same) };
  });
  const status = element("p", { class: "unseen", role: "status", "aria-live": "polite" });
  const box = element("section", { class: "box lab", "aria-label": title || "The lab" },
    ...(title ? [element("div", { class: "title" }, title)] : []),
    element("div", { class: "bar" },
      element("div", { class: "group", role: "group", "aria-label": "Scale" }, ...scaleButtons.map(([, b]) => b)), back),
    element("div", { class: "choices" }, ...sets),
    element("div", { class: "result" }, value, " ", against), rank,
    element("div", { class: "axis" }, heading, plot),
    element("h3", {}, "The same pictures, scored as in public code (press a row to choose as it does)"),
    element("ul", { class: "rows" }, ...rowButtons.map(({ button }) => element("li", {}, button))),
    status);

  // what is seen
  function axis() {
    const plain = host.querySelector(`svg[data-scale="${state.scale}"]`).cloneNode(true);
    const { low, high } = plain.dataset, x = 2 + 96 * (scoreOf(state.chosen) - low) / (high - low);
    const bottom = plain.getAttribute("height") - 24, top = state.chosen[0] * (bottom - 4) / choices[0][1].length;
    const mark = shape("svg", { x: `${x.toFixed(2)}%`, y: 0, overflow: "visible", class: "mark", width: 1, height: 1 });
    mark.append(
      shape("line", { x1: 0, x2: 0, y1: top + 16, y2: bottom, "stroke-width": 3 }),
      shape("path", { d: `M0 ${top + 16}l-6 -9h12z`, "stroke-width": 1 }),
      shape("path", { d: `M0 ${bottom}l-6 9h12z`, "stroke-width": 1 }));
    plain.append(mark);
    const [mine, reference] = [scoreOf(state.chosen), scores[state.scale][0]];
    plain.setAttribute("aria-label", `${scores[state.scale].length} scores of bicubic on an axis from ${low} to ${high} `
      + `dB, a row for each colour. Your choices stand at ${db(mine)}, protocol A at ${db(reference)}.`);
    plot.replaceChildren(plain);
  }
  function render() {
    const all = scores[state.scale], mine = scoreOf(state.chosen), printed = mine.toFixed(2);
    for (const [scale, node] of scaleButtons) node.setAttribute("aria-pressed", String(scale === state.scale));
    radios.forEach((group, i) => group.forEach((radio, k) => { radio.checked = state.chosen[i] === k; }));
    value.textContent = db(mine);
    against.textContent = `${signed(mine - all[0])} against protocol A`;
    const above = all.filter((v) => v > mine).length, equal = all.filter((v) => v.toFixed(2) === printed).length - 1;
    rank.textContent = `Of ${all.length} setups, ${above} score higher; `
      + (equal ? `${equal} ${equal === 1 ? "other prints" : "others print"} the same two decimals.`
        : "no other prints the same two decimals.");
    heading.textContent = `PSNR of bicubic ×${state.scale}${pictures ? `, ${pictures}` : ""} (dB)`;
    for (const { chosen, score, same, button } of rowButtons) {
      const other = scoreOf(chosen), hit = other.toFixed(2) === printed;
      score.textContent = db(other);
      same.textContent = hit ? "prints the same as yours" : "";
      button.classList.toggle("hit", hit);
      button.setAttribute("aria-pressed", String(chosen.every((k, i) => k === state.chosen[i])));
    }
    axis();
  }

  // what the reader does
  function set(change, quiet = false) {
    Object.assign(state, change);
    render();
    say();
    if (!quiet && name) writeAddress(key, [state.scale, ...state.chosen.map((k) => k + 1)]);
  }
  function say() {
    const hits = rows.filter(([, chosen]) => scoreOf(chosen).toFixed(2) === value.textContent.slice(0, -3));
    status.textContent = `${value.textContent}, ${against.textContent}. `
      + (hits.length ? `Prints the same as: ${hits.map(([row]) => row).join("; ")}.` : "None of the rows prints this.");
  }
  function restore() {  // what the address says, as far as it makes sense
    const parts = name && readAddress(key);
    if (!parts) return false;
    const [scale, ...numbers] = parts.map(whole), change = {};
    if (scales.includes(scale)) change.scale = scale;
    const fits = (number, options) => number >= 1 && number <= options.length;
    change.chosen = choices.map(([, options], i) => fits(numbers[i], options) ? numbers[i] - 1 : 0);
    set(change, true);
    return true;
  }

  const root = host.attachShadow({ mode: "open" });
  root.append(element("style", {}, CSS), box);
  // neither the page's nor the notebook's own shortcuts run as well
  box.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
  });
  followTheme(box);
  const arrive = () => {
    if (host.isConnected && restore() && isFirst(key)) host.scrollIntoView({ block: "start" });
  };
  addEventListener("hashchange", arrive);
  if (document.readyState !== "complete") addEventListener("load", arrive, { once: true });  // all has its place then
  render();
  say();
  arrive();
}

const scope = document.currentScript?.getRootNode() ?? document;
for (const host of scope.querySelectorAll(".srlib-lab:not([data-ready])")) {
  host.dataset.ready = "";
  laboratory(host);
}
