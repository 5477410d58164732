// The blind test: two crops without names, a vote, and in the end what the votes say. votes.js has the pairs and counts.
const SVG = "http://www.w3.org/2000/svg", HEIGHT = 240, TOP = 12, BOTTOM = 40;
const percent = (share) => `${Math.round(100 * share)} %`;
const halves = (value) => `${Math.floor(value)}${value % 1 ? "½" : ""}`.replace(/^0½/, "½");

function shape(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// Share of wins against PSNR, a dot for the reader and a ring for PSNR itself.
function scatter(rows) {
  const scores = rows.map(({ psnr }) => psnr), low = Math.floor(Math.min(...scores) - 0.3);
  const high = Math.ceil(Math.max(...scores) + 0.3);
  const across = (psnr) => 12 + 82 * (psnr - low) / (high - low);
  const down = (share) => TOP + (1 - share) * (HEIGHT - TOP - BOTTOM);
  const text = (x, y, said, anchor = "middle") => shape("text", { x: `${x}%`, y, "text-anchor": anchor }, said);
  const plot = shape("svg", { width: "100%", height: HEIGHT, overflow: "visible", role: "img", "aria-label":
    `Share of votes won against PSNR. ${rows.map(({ name, psnr, won, shown }) =>
      `${name}: ${psnr.toFixed(2)} dB, ${percent(won / shown)}`).join("; ")}.` });
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    plot.append(shape("line", { x1: "12%", x2: "94%", y1: down(share), y2: down(share), class: "rule" }),
      text(11, down(share) + 4, percent(share), "end"));
  }
  for (let psnr = low; psnr <= high; psnr++) plot.append(text(across(psnr), HEIGHT - BOTTOM + 18, psnr));
  plot.append(text(53, HEIGHT - 4, "mean PSNR of the crops (dB)"));
  for (const [i, { name, psnr, won, byPsnr, shown }] of rows.entries()) {
    const x = `${across(psnr)}%`, y = down(won / shown), aside = i % 2 || y < TOP + 20 ? 23 : -13;
    plot.append(shape("circle", { cx: x, cy: down(byPsnr / shown), r: 9, class: "theirs" }),
      shape("circle", { cx: x, cy: y, r: 6, class: "mine" }), text(across(psnr), y + aside, name));
  }
  return plot;
}

function blindTest(host) {
  const { names, places, crop, base, key } = JSON.parse(host.dataset.options), methods = Object.keys(names);
  const keep = keeper(`srlib-blind-test-${key.slice(0, 16)}`), strips = new Map();
  const state = { votes: [], queue: [], round: 0, ...keep.read(), result: false };
  if (![...state.votes, ...state.queue].every((v) => places[v.place] && names[v.left] && names[v.right])) {
    Object.assign(state, { votes: [], queue: [] });
  }
  if (!state.queue.length && !state.votes.length) state.queue = newRound(methods, places);
  let settle = 0, kept = true;

  // controls
  const button = (text, onclick, extra = {}) => element("button", { type: "button", onclick, ...extra },
    ...[text].flat());
  const arrow = (text) => element("span", { "aria-hidden": "true" }, text);
  const question = element("p", { class: "question" }), credit = element("p", { class: "credit" });
  const sides = ["left", "right"].map((side) => {
    const canvas = element("canvas", { role: "img", width: crop, height: crop, onclick: () => vote(side) });
    return { side, canvas, caption: element("figcaption", {}, side === "left" ? "Left" : "Right") };
  });
  const pair = element("div", { class: "pair" },
    ...sides.map(({ canvas, caption }) => element("figure", {}, caption, canvas)));
  const left = button([arrow("← "), "Left"], () => vote("left"), { "aria-keyshortcuts": "ArrowLeft" });
  const same = button("No difference", () => vote("same"), { "aria-keyshortcuts": "ArrowDown" });
  const right = button(["Right", arrow(" →")], () => vote("right"), { "aria-keyshortcuts": "ArrowRight" });
  const more = button("Another round", () => { state.queue = newRound(methods, places); change("Another round."); });
  const undo = button("Take back", () => takeBack(), { "aria-keyshortcuts": "Backspace" });
  const reveal = button("Show the result", () => { state.result = !state.result; change(); }, { "aria-expanded": "false" });
  const stage = element("div", {}, question, pair, element("div", { class: "ask" }, left, same, right, more, undo),
    credit);
  const result = element("div", { class: "result", hidden: true });
  const status = element("p", { class: "unseen", role: "status", "aria-live": "polite" });
  const warning = element("p", { class: "small", hidden: true },
    "This browser keeps nothing for this page: the votes are gone when you leave it.");
  const box = element("section", { class: "box blind", "aria-label": "Blind test" }, stage, reveal, warning, result,
    status);

  // what is seen
  const loaded = (file) => {  // a place's pictures are asked for once
    if (!strips.has(file)) {
      const img = new Image();
      img.src = base + file;
      strips.set(file, img.decode().then(() => img));
    }
    return strips.get(file);
  };
  function layOut() {
    const room = pair.clientWidth, whole = (share) => Math.floor(share * ratio() / crop);
    if (!room) return;
    const beside = whole(Math.min((room - 10) / 2, 3 * crop)), zoom = Math.max(1, beside || whole(room));
    pair.style.gridTemplateColumns = `repeat(${beside ? 2 : 1}, max-content)`;
    for (const { canvas } of sides) canvas.style.width = canvas.style.height = `${crop * zoom / ratio()}px`;
  }
  async function draw() {
    const [next] = state.queue;
    if (!next) return;
    for (const { canvas } of sides) canvas.getContext("2d").clearRect(0, 0, crop, crop);
    pair.setAttribute("aria-busy", "true");
    try {
      const strip = await loaded(places[next.place].file);
      if (state.queue[0] !== next) return;  // voted meanwhile
      for (const { side, canvas } of sides) {
        canvas.getContext("2d").drawImage(strip, methods.indexOf(next[side]) * crop, 0, crop, crop, 0, 0, crop, crop);
      }
      if (state.queue[1]) loaded(places[state.queue[1].place].file).catch(() => {});
    } catch {
      credit.textContent = "These pictures could not be loaded.";
    }
    pair.removeAttribute("aria-busy");
  }
  function render() {
    const [next] = state.queue, { votes } = state;
    question.textContent = next ? `Which one looks better? (${state.queue.length} to go)` : "That was the round.";
    pair.hidden = left.hidden = same.hidden = right.hidden = credit.hidden = !next;
    more.hidden = Boolean(next);
    undo.disabled = !votes.length;
    reveal.textContent = state.result ? "Hide the result" : `Show the result of ${votes.length} votes`;
    reveal.setAttribute("aria-expanded", String(state.result));
    reveal.disabled = !votes.length;
    warning.hidden = kept;
    if (next) {
      credit.textContent = places[next.place].credit;
      for (const { side, canvas } of sides) {
        canvas.setAttribute("aria-label", `${side === "left" ? "Left" : "Right"}: ${places[next.place].what}`);
      }
    }
    result.hidden = !state.result || !votes.length;
    result.replaceChildren(...(result.hidden ? [] : report()));
    layOut();
  }
  function report() {
    const { table, decided, agreed } = count(state.votes, methods, places);
    const rows = [...table].filter(([, { shown }]) => shown).map(([method, row]) => ({ name: names[method], ...row }))
      .sort((a, b) => b.won / b.shown - a.won / a.shown);
    const cells = (tag, values) => element("tr", {}, ...values.map((value, i) => element(i ? tag : "th",
      { scope: i ? (tag === "th" ? "col" : null) : tag === "th" ? "col" : "row" }, value)));
    const agreement = decided ? `PSNR would have chosen as you did in ${agreed} of the ${decided} votes that named a winner.`
      : "No vote named a winner.";
    const caption = element("caption", {}, "Votes won, and what PSNR would have given the same pairs");
    return [
      element("h3", {}, "What you saw"), element("p", {}, agreement),
      element("div", { class: "wide" }, element("table", {}, caption,
        element("thead", {}, cells("th", ["method", "won", "share", "by PSNR", "PSNR, dB"])),
        element("tbody", {}, ...rows.map(({ name, shown, won, byPsnr, psnr }) => cells("td",
          [name, `${halves(won)} of ${shown}`, percent(won / shown), percent(byPsnr / shown), psnr.toFixed(2)]))))),
      scatter([...rows].sort((a, b) => a.psnr - b.psnr)),
      element("p", { class: "small" }, "Dots: your votes. Rings: PSNR's, on the same pairs. No difference counts as half."),
      element("div", { class: "bar" }, button("Export as CSV", save), button("Delete the votes", reset)),
    ];
  }

  // what the reader does
  function change(said) {
    kept = keep.write({ votes: state.votes, queue: state.queue });
    render();
    draw();
    clearTimeout(settle);
    if (said) settle = setTimeout(() => { status.textContent = said; }, 150);
  }
  function vote(chosen) {
    const next = state.queue.shift();
    if (!next) return;
    state.votes.push({ ...next, chosen, time: new Date().toISOString() });
    if (!state.queue.length) state.result = true;
    const shown = state.queue[0] && places[state.queue[0].place].what;
    change(shown ? `${state.queue.length} to go: ${shown}.` : "That was the round. The result stands below.");
    if (!state.queue.length) more.focus();
  }
  function takeBack() {
    const last = state.votes.pop();
    if (!last) return;
    const { place, left: a, right: b } = last;
    state.queue.unshift({ place, left: a, right: b });
    change("Taken back.");
  }
  function save() {
    const url = URL.createObjectURL(new Blob([asCsv(state.votes, names, places)], { type: "text/csv" }));
    element("a", { href: url, download: "blind-test.csv" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  }
  function reset() {
    if (!confirm(`Delete ${state.votes.length} votes?`)) return;
    Object.assign(state, { votes: [], queue: newRound(methods, places), result: false });
    change("All votes are deleted.");
    left.focus();
  }
  stage.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.repeat) return;
    const answers = { ArrowLeft: "left", ArrowRight: "right", ArrowDown: "same" };
    if (answers[event.key]) vote(answers[event.key]);
    else if (event.key === "Backspace") takeBack();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  host.attachShadow({ mode: "open" }).append(element("style", {}, CSS), box);
  followTheme(box);
  new ResizeObserver(layOut).observe(pair);
  change();
}

for (const host of document.querySelectorAll(".sr-blind-test:not([data-ready])")) {
  host.dataset.ready = "";
  blindTest(host);
}
