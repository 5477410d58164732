// Moving pictures: frames of a video file or of the camera, each enlarged by ESPCN as soon as the last one is done.
import { Cancelled, Engine, hasGraphicsCard } from "./engine.js";
import { element } from "./loupe.js";

const WIDTHS = [160, 240, 320, 480];

export function openFilm(host, site, manifest) {
  const networks = manifest.networks.filter(({ model, variant }) => model === "espcn" && variant === "tanh");
  const engine = new Engine(site, manifest.runtime);
  const video = element("video", { playsinline: true, muted: true, loop: true, hidden: true });
  video.muted = true;
  const frame = element("canvas"), plain = element("canvas", { role: "img", "aria-label": "enlarged by the browser" });
  const sharp = element("canvas", { role: "img", "aria-label": "enlarged by ESPCN" });
  let running = false;

  const button = (text, onclick, extra = {}) => element("button", { type: "button", onclick, ...extra }, text);
  const select = (label, options, value) => {
    const node = element("select", {}, ...options.map(([v, text]) => element("option", { value: v }, text)));
    node.value = value;
    return { node, label: element("label", {}, label, node) };
  };
  const width = select("Frames", WIDTHS.map((w) => [w, `${w} pixels wide`]), 240);
  const scale = select("Scale", networks.map((n) => [n.scale, `×${n.scale}`]), networks[0].scale);
  const file = element("input", { type: "file", accept: "video/*", hidden: true, onchange: () => fromFile() });
  const stop = button("Stop", () => end(), { disabled: true });
  const status = element("p", { class: "sr-live-status", role: "status" });
  const speed = element("p", { class: "sr-live-facts" });
  const figures = element("div", { class: "sr-live-film", hidden: true },
    element("figure", {}, element("figcaption", {}, "the browser's enlargement"), plain),
    element("figure", {}, element("figcaption", {}, "ESPCN"), sharp));

  async function fromFile() {
    const [chosen] = file.files;
    file.value = "";
    if (!chosen) return;
    await end();
    video.src = URL.createObjectURL(chosen);
    await begin(`${chosen.name} is not a video that this browser can play.`);
  }
  async function fromCamera() {
    await end();
    try {
      video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 } }, audio: false });
    } catch (error) {
      status.textContent = navigator.mediaDevices ? `The camera cannot be used: ${error.message}.`
        : "The camera can be used only on a page that comes by https.";
      return;
    }
    await begin("The camera gives no picture.");
  }
  async function end() {
    running = false;
    video.pause();
    for (const track of video.srcObject?.getTracks() ?? []) track.stop();
    if (video.src) URL.revokeObjectURL(video.src);
    video.srcObject = null;
    video.removeAttribute("src");
    engine.stop();
    stop.disabled = true;
  }

  async function begin(complaint) {
    try {
      await video.play();
    } catch {
      status.textContent = complaint;
      return end();
    }
    running = true;
    stop.disabled = false;
    figures.hidden = false;
    status.textContent = "Loading ESPCN …";
    try {
      await play(await hasGraphicsCard() ? "webgpu" : "wasm");
    } catch (error) {
      status.textContent = error instanceof Cancelled ? "Stopped." : `It did not work: ${error.message}`;
    }
    if (!running) status.textContent = "Stopped.";
  }
  async function play(provider) {
    const times = [];
    while (running) {
      const network = networks.find((n) => n.scale === Number(scale.node.value));
      await engine.load(network, provider);
      if (!running) return;
      const start = performance.now(), [w, h] = measure(network.scale);
      frame.getContext("2d", { willReadFrequently: true }).drawImage(video, 0, 0, w, h);
      await engine.enlarge({ canvas: frame, grey: false, transparent: false }, network.scale, sharp, { network });
      plain.getContext("2d").drawImage(frame, 0, 0, plain.width, plain.height);
      const now = performance.now();
      times.push([now, now - start]);
      while (times[0][0] < now - 1000) times.shift();
      const mean = times.reduce((sum, [, took]) => sum + took, 0) / times.length;
      speed.textContent = `${times.length} frames a second, ${mean.toFixed(0)} ms each: ${w} × ${h} to `
        + `${sharp.width} × ${sharp.height} pixels, ${engine.backend}.`;
      status.textContent = "";
      await new Promise((resolve) => requestAnimationFrame(resolve));  // let the page draw it
    }
  }
  function measure(by) {
    const w = Number(width.node.value), h = Math.max(1, Math.round(w * video.videoHeight / video.videoWidth));
    for (const [canvas, factor] of [[frame, 1], [plain, by], [sharp, by]]) {
      if (canvas.width !== w * factor) canvas.width = w * factor;
      if (canvas.height !== h * factor) canvas.height = h * factor;
    }
    return [w, h];
  }

  host.replaceChildren(element("section", { class: "sr-live-panel", "aria-label": "Enlarge a film" },
    element("div", { class: "sr-live-bar" }, button("Choose a video", () => file.click()), file,
      button("Camera", () => fromCamera()), width.label, scale.label, stop), video, status, figures, speed));
}
