// Workers that share the windows of a picture. Several single-threaded ones need no cross-origin isolation, which hosts
// of static pages do not offer; a graphics card needs one.
import { windows } from "./tiles.js";

const MEGABYTE = 2 ** 20;
// What the windows that are computed at a time may take, in all workers together; a telephone's browser gives less.
export const small = (navigator.deviceMemory ?? 8) <= 4 || matchMedia("(pointer: coarse)").matches;
const MEMORY = (small ? 192 : 640) * MEGABYTE;
const MOST_MACS = 3e10;  // of a window: two seconds or so, so that progress is seen
const BICUBIC = { macs: 500, floats: 30, overlap: 2, channels: 0 };

const SIMD = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
]);

export class Cancelled extends Error {}

// Why this browser cannot compute, or "".
export function obstacle() {
  if (typeof WebAssembly !== "object") return "This browser has no WebAssembly, in which the networks run.";
  if (!WebAssembly.validate(SIMD)) return "The WebAssembly of this browser is too old to run the networks (no SIMD).";
  if (typeof Worker !== "function") return "This browser has no workers, in which the networks run.";
  return "";
}

// A graphics card that is one; a processor that pretends to be one is slower than WebAssembly. Asked once.
let card = null;
export const hasGraphicsCard = () => (card ??= askForCard());

async function askForCard() {
  try {
    const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
    return Boolean(adapter) && !(adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter);
  } catch {
    return false;
  }
}

const counted = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;

export class Engine {
  #site; #workers = []; #network = null; #provider = ""; #questions = new Map(); #last = 0; #rate = 0;

  // `site` is the address of the book's _static, `runtime` what the manifest says of onnxruntime-web.
  constructor(site, runtime) {
    this.#site = site;
    this.runtime = runtime;
    this.count = Math.min(4, Math.max(1, navigator.hardwareConcurrency ?? 1));
  }

  get backend() {
    return this.#provider === "webgpu" ? "WebGPU" : `WebAssembly, ${counted(this.#workers.length, "thread")}`;
  }

  // Start `provider` ("webgpu" or "wasm") with a network, unless it is there already.
  async load(network, provider) {
    const known = this.#network?.file === network.file && this.#provider === provider && this.#workers.length;
    if (known) return;
    if (this.#provider !== provider) this.stop();
    this.#provider = provider;
    this.#grow(provider === "webgpu" ? 1 : this.count);
    const { script, binary } = this.runtime[provider], at = (path) => new URL(path, this.#site).href;
    const question = {
      do: "load", provider, macs: network.macs, channels: network.channels,
      script: at(`onnxruntime/${script}`), binary: at(`onnxruntime/${binary}`),
      network: `${at(`models/${network.file}`)}?${network.sha256.slice(0, 8)}`,
    };
    this.#network = null;
    const answers = await Promise.all(this.#workers.map((worker) => this.#ask(worker, question)));
    this.#network = network;
    this.#rate = Math.min(...answers.map(({ rate }) => rate));
  }

  #grow(count) {
    while (this.#workers.length < count) {
      const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
      worker.addEventListener("message", ({ data }) => {
        const { resolve, reject } = this.#questions.get(data.id) ?? {};
        this.#questions.delete(data.id);
        if (data.error) reject?.(new Error(data.error));
        else resolve?.(data);
      });
      worker.addEventListener("error", (event) => this.#fail(new Error(event.message || "a worker did not start")));
      this.#workers.push(worker);
    }
  }

  #ask(worker, question, transfer = []) {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#questions.set(id, { resolve, reject });
      worker.postMessage({ id, ...question }, transfer);
    });
  }

  #fail(error) {
    for (const { reject } of this.#questions.values()) reject(error);
    this.#questions.clear();
  }

  // End what runs, at once: a worker in the midst of a window would not listen. The next load starts new ones.
  stop() {
    for (const worker of this.#workers) worker.terminate();
    this.#workers = [];
    this.#network = null;
    this.#fail(new Cancelled());
  }

  #windows(width, height, { macs, floats, overlap }) {
    const area = Math.min(MEMORY / this.#workers.length / (4 * floats), MOST_MACS / macs);
    return windows(width, height, overlap, area, this.#workers.length);
  }

  // How many seconds a picture will take, from what the device did when the network was loaded.
  estimate(width, height) {
    const list = this.#windows(width, height, this.#network), [first] = list;
    const rounds = Math.ceil(list.length / this.#workers.length);
    return rounds * first.width * first.height * this.#network.macs / this.#rate / 1000;
  }

  // Enlarge a picture { canvas, grey, transparent } onto `target`; bicubic does it unless `network` is given.
  // `progress` hears which part of the windows is done.
  async enlarge({ canvas, grey, transparent }, scale, target, { network = BICUBIC, progress = () => {} } = {}) {
    this.#grow(1);
    const list = this.#windows(canvas.width, canvas.height, network);
    const source = canvas.getContext("2d", { willReadFrequently: true });
    const context = target.getContext("2d", { willReadFrequently: true });
    let next = 0, done = 0;
    const work = async (worker) => {
      while (next < list.length) {
        const { left, top, width, height, kept } = list[next++];
        const rgba = source.getImageData(left, top, width, height).data.buffer;
        const question = {
          do: "enlarge", rgba, width, height, kept, scale, channels: network.channels, grey, transparent,
        };
        const answer = await this.#ask(worker, question, [rgba]);
        const image = new ImageData(new Uint8ClampedArray(answer.rgba), kept.width * scale, kept.height * scale);
        context.putImageData(image, (left + kept.left) * scale, (top + kept.top) * scale);
        progress(++done / list.length);
      }
    };
    await Promise.all(this.#workers.map(work));
  }
}
