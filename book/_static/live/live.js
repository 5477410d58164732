// The live page: a picture in, its enlargement beside bicubic in the loupe. This file has the controls and the order of
// events; pictures.js opens and saves, engine.js computes in workers, film.js is the part with moving pictures.
import { Cancelled, Engine, hasGraphicsCard, obstacle } from "./engine.js";
import { openFilm } from "./film.js";
import { element, loupe, pictureOf } from "./loupe.js";
import { LIMIT, middleOf, openPicture, save, sizeOf } from "./pictures.js";

const SITE = new URL("..", import.meta.url);
const PATIENCE = 10;  // seconds that are spent without asking first
const FIRST = "espcn";

const number = (v) => (v >= 100 ? v.toFixed(0) : v >= 10 ? v.toFixed(1) : v.toFixed(2));
const duration = (s) => (s < 90 ? `${s < 10 ? s.toFixed(1) : Math.round(s)} s` : `${Math.round(s / 60)} min`);
const blank = (width, height) => {
  const canvas = element("canvas", { width, height });
  canvas.getContext("2d", { willReadFrequently: true });
  return canvas;
};

function open(host, manifest) {
  const whole = host.dataset.kind === "page", { networks } = manifest;
  const engine = new Engine(SITE, manifest.runtime), example = host.querySelector("figure");
  let picture = null, busy = false, answer = null, shown = null, result = null, note = "", stopped = false;

  // controls
  const button = (text, onclick, extra = {}) => element("button", { type: "button", onclick, ...extra }, text);
  const select = (label, onchange = null) => {
    const node = element("select", onchange ? { onchange } : {});
    return { node, label: element("label", {}, label, node) };
  };
  const fill = (node, options) => {
    const before = node.value;
    node.replaceChildren(...options.map(([value, text]) => element("option", { value }, text)));
    if (options.some(([value]) => String(value) === before)) node.value = before;
  };
  const keyOf = ({ model, variant }) => `${model} ${variant}`;
  const titles = new Map(networks.map((network) => [keyOf(network), network.title]));
  const model = select("Network", () => scales());
  const scale = select("Scale");
  const device = select("Computed by");
  const scales = () => fill(scale.node, networks.filter((n) => keyOf(n) === model.node.value)
    .map((n) => [n.scale, `×${n.scale}`]));
  const first = networks.find((n) => n.model === FIRST) ?? networks[0];
  fill(model.node, whole ? [...titles] : [[keyOf(first), first.title]]);
  model.node.value = keyOf(first);
  scales();
  fill(device.node, [["auto", "whatever is fastest here"], ["webgpu", "WebGPU"], ["wasm", "WebAssembly"]]);

  const file = element("input", { type: "file", accept: "image/*", hidden: true, onchange: () => take(file.files[0]) });
  const photo = element("input", { type: "file", accept: "image/*", capture: "environment", hidden: true,
    onchange: () => take(photo.files[0]) });
  const telephone = matchMedia("(pointer: coarse)").matches;
  const drop = element("div", { class: "sr-live-drop" },
    element("p", {}, telephone ? "Choose a picture, or take one." : "Drop a picture here, paste one, or choose a file."),
    button("Choose a file", () => file.click()),
    ...(telephone ? [button("Take a photograph", () => photo.click())] : []), file, photo);
  const offered = manifest.pictures.slice(0, whole ? undefined : 3);
  const bundled = element("div", { class: "sr-live-bundled", role: "group", "aria-label": "Bundled pictures" },
    ...offered.map((p) => {
      const src = new URL(`live/pictures/${p.file}`, SITE).href;
      return button(element("img", { src, alt: p.alt, width: p.width, height: p.height, loading: "lazy" }),
        () => bring(p, src), { "aria-label": `${p.title}, ${p.width} × ${p.height} pixels`, title: p.credit });
    }));
  const credits = element("details", { class: "sr-live-credits" }, element("summary", {}, "Credits"),
    ...offered.map((p) => element("p", {}, `${p.title}: ${p.credit}.`)));
  const start = button("Enlarge", () => run(), { class: "main", disabled: true });
  const cancel = button("Cancel", () => halt(), { disabled: true });
  const keep = button("Save as PNG", () => store(), { disabled: true });
  const bar = element("progress", { max: 1, value: 0, "aria-label": "Progress", hidden: true });
  const status = element("p", { class: "sr-live-status", role: "status" });
  const choice = element("p", { class: "sr-live-choice" });
  const facts = element("p", { class: "sr-live-facts" });
  const place = element("div", { class: "sr-live-result" });
  const panel = element("section", { class: "sr-live-panel", "aria-label": "Enlarge a picture" }, drop, bundled, credits,
    element("div", { class: "sr-live-bar" }, ...(whole ? [model.label] : []), scale.label,
      ...(whole ? [device.label] : []), start, cancel, keep),
    bar, status, choice, place, facts);
  host.prepend(panel);

  const say = (text) => { status.textContent = text; };
  const offer = (...nodes) => choice.replaceChildren(...nodes);
  function setBusy(now) {
    busy = now;
    panel.setAttribute("aria-busy", String(now));
    start.disabled = now || !picture;
    cancel.disabled = !now;
    keep.disabled = now || !result;
    bar.hidden = !now;
    bar.removeAttribute("value");
  }

  function halt() {
    stopped = true;
    answer?.(false);
    engine.stop();
  }

  // a picture arrives
  async function take(blob, name = blob?.name ?? "the picture") {
    if (!blob) return;
    file.value = photo.value = "";  // so that the same file can be chosen again
    facts.textContent = "";
    if (busy) halt();
    while (busy) await new Promise((resolve) => setTimeout(resolve, 20));
    try {
      say(`Opening ${name} …`);
      offer();
      picture = await openPicture(blob, name);
      start.disabled = false;
      await run();
    } catch (error) {
      say(error.message);
    }
  }
  async function bring({ file: name }, address) {
    facts.textContent = "";
    const response = await fetch(address).catch(() => null);
    if (response?.ok) await take(await response.blob(), name);
    else say(`${name} could not be loaded.`);
  }
  const imageOf = (list) => [...(list ?? [])].find((item) => item.type.startsWith("image/"));
  drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    const dropped = imageOf(event.dataTransfer.files);
    if (dropped) take(dropped);
    else say("What was dropped is not a picture.");
  });
  if (whole) {
    document.addEventListener("paste", (event) => {
      const pasted = imageOf(event.clipboardData?.files);
      if (pasted) take(pasted, "pasted.png");
    });
  }

  // a picture is enlarged
  const chosen = () => networks.find((n) => keyOf(n) === model.node.value && n.scale === Number(scale.node.value));
  const confirmed = (text) => new Promise((resolve) => {
    answer = resolve;
    say(text);
    const yes = button("Start", () => resolve(true), { class: "main" });
    offer(yes);
    yes.focus();
  }).finally(() => { answer = null; offer(); });

  function tooLarge({ canvas }, by) {
    const pixels = canvas.width * canvas.height * by ** 2, side = Math.max(canvas.width, canvas.height) * by;
    return pixels > LIMIT || side > 16384;
  }
  function refuse({ canvas, name }, by) {
    const pixels = canvas.width * canvas.height * by ** 2;
    say(`${name} has ${sizeOf(canvas)} pixels. Enlarged ×${by} it would have ${Math.round(pixels / 1e6)} megapixels; `
      + `this page can hold ${LIMIT / 1e6} of them here. Choose a smaller scale, take a part of the picture, or enlarge `
      + "it at a terminal, where srlib upscale takes any size.");
    offer(button("Take its middle", () => { picture = middleOf(picture, by); run(); }));
  }

  async function load(network) {
    const wanted = device.node.value;
    note = "";
    const onCard = wanted === "webgpu" || (wanted === "auto" && await hasGraphicsCard());
    if (stopped) throw new Cancelled();
    if (onCard) {
      try {
        return await engine.load(network, "webgpu");
      } catch (error) {
        if (error instanceof Cancelled) throw error;
        engine.stop();
        note = " WebGPU could not be used.";
      }
    }
    return engine.load(network, "wasm");
  }

  async function run() {
    if (busy || !picture) return;
    const network = chosen(), by = network.scale, { canvas } = picture, name = `${network.title} ×${by}`;
    offer();
    facts.textContent = "";
    if (tooLarge(picture, by)) return refuse(picture, by);
    setBusy(true);
    stopped = false;
    try {
      say(`Loading ${name} (${number((network.bytes) / 1e6)} MB) …`);
      const before = performance.now();
      await load(network);
      const loading = (performance.now() - before) / 1000, expected = engine.estimate(canvas.width, canvas.height);
      const forecast = `${name} of ${sizeOf(canvas)} pixels: about ${duration(expected)} on this device`;
      if (expected > PATIENCE && !await confirmed(`${forecast} (${engine.backend}).`)) throw new Cancelled();
      say(`${forecast} …`);
      const [bicubic, sr] = [0, 1].map(() => blank(canvas.width * by, canvas.height * by));
      show(by, bicubic, sr, network.title);
      await engine.enlarge(picture, by, bicubic);
      shown.redraw();
      const started = performance.now();
      await engine.enlarge(picture, by, sr, { network, progress(part) { bar.value = part; shown.redraw(); } });
      const seconds = (performance.now() - started) / 1000;
      result = { canvas: sr, name: `${picture.name.replace(/\.\w+$/, "")}_${network.model}_x${by}.png` };
      say("Done.");
      facts.textContent = `${name}: ${sizeOf(canvas)} to ${sizeOf(canvas, by)} pixels in ${number(seconds)} s `
        + `(expected ${duration(expected)}; loading ${number(loading)} s), `
        + `${number(sr.width * sr.height / 1e6 / seconds)} megapixels/s, ${engine.backend}.${note}`;
      Object.assign(panel.dataset, { seconds: seconds.toFixed(3), expected: expected.toFixed(3) });
    } catch (error) {
      say(error instanceof Cancelled ? "Cancelled." : `It did not work: ${error.message}`);
    } finally {
      setBusy(false);
    }
  }

  function show(by, bicubic, sr, title) {
    shown?.close();
    example?.remove();
    result = null;
    const pictures = [pictureOf(picture.canvas, { title: "LR", factor: by }), pictureOf(bicubic, { title: "bicubic" }),
      pictureOf(sr, { title })];
    const box = element("div", { "data-lm-suppress-shortcuts": "true" });
    place.replaceChildren(box);
    const center = [sr.width / 2, sr.height / 2];
    shown = loupe(box, pictures, { title: "", name: null, zoom: whole ? 3 : 2, center, mode: "all", height: 300 });
  }

  async function store() {
    await save(result.canvas, result.name).catch((error) => say(error.message));
  }

}

const hosts = document.querySelectorAll(".sr-live");
const reason = obstacle();
const manifest = hosts.length && !reason
  ? await fetch(new URL("live/manifest.json", SITE)).then((r) => r.json()).catch(() => null) : null;
for (const host of hosts) {
  host.querySelector(".sr-live-still")?.remove();
  if (manifest && host.dataset.kind === "film") openFilm(host, SITE, manifest);
  else if (manifest) open(host, manifest);
  else host.prepend(element("p", { class: "sr-live-status", role: "status" },
    `${reason || "The list of networks could not be loaded."} There is only the saved example.`));
}
