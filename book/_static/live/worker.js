// Computes in the background: one onnxruntime session at a time, windows of a picture in, their enlargement out.
// Messages: { do: "load", … } is answered by { rate }, { do: "enlarge", … } by { rgba }; each answer carries the id of
// its question, and { error } where there is no other.
import { enlarge } from "./bicubic.js";
import { fromPlanes, fromYCbCr, setAlpha, toPlanes, toYCbCr } from "./colour.js";

const PROBE = 4e8;  // multiplications of the run that measures this device
let runtime = null, session = null;

async function load({ script, binary, network, provider, macs, channels }) {
  if (!runtime) {
    runtime = await import(script);
    runtime.env.wasm.wasmPaths = { wasm: binary };
    runtime.env.wasm.numThreads = 1;  // several of these workers run side by side instead
    runtime.env.logLevel = "error";
  }
  await session?.release();
  session = await runtime.InferenceSession.create(network, { executionProviders: [provider] });
  const side = Math.min(256, Math.max(16, Math.round(Math.sqrt(PROBE / macs))));
  let best = Infinity;
  for (let i = 0; i < 3 && (i < 2 || best < 100); i++) {  // the first run also makes room in memory
    const start = performance.now();
    await run(new Float32Array(channels * side * side).fill(0.5), channels, side, side);
    best = Math.min(best, performance.now() - start);
  }
  return { rate: side * side * macs / best };  // multiplications in a millisecond
}

async function run(planes, channels, width, height) {
  const lr = new runtime.Tensor("float32", planes, [1, channels, height, width]);
  const { sr } = await session.run({ lr });
  const data = await sr.getData();
  sr.dispose();
  return data;
}

// The kept part of a plane of scale·width columns.
function cut(plane, width, scale, kept) {
  const wide = kept.width * scale, high = kept.height * scale, left = kept.left * scale, top = kept.top * scale;
  if (plane.length === wide * high) return plane;
  const part = new Float32Array(wide * high);
  for (let y = 0; y < high; y++) {
    const start = (top + y) * width * scale + left;
    part.set(plane.subarray(start, start + wide), y * wide);
  }
  return part;
}

// A window as bytes, super-resolved as srlib.upscale does it: a network for luma enlarges Y, bicubic enlarges Cb and Cr;
// of a grey file the network sees grey; transparency is enlarged by bicubic. Without a network bicubic does it all.
async function enlargeWindow({ rgba, width, height, kept, scale, channels, grey, transparent }) {
  const bytes = new Uint8ClampedArray(rgba), count = width * height;
  const bicubic = (plane) => enlarge(plane, width, height, scale, kept);
  const part = (planes, c = 0) =>
    cut(planes.subarray(c * count * scale ** 2, (c + 1) * count * scale ** 2), width, scale, kept);
  let out;
  if (!channels) {
    const planes = toPlanes(bytes, 3);
    out = fromPlanes([0, 1, 2].map((c) => bicubic(planes.subarray(c * count, (c + 1) * count))));
  } else if (channels === 3) {
    const sr = await run(toPlanes(bytes, 3), 3, width, height);
    out = fromPlanes(grey ? [part(sr)] : [part(sr), part(sr, 1), part(sr, 2)]);
  } else if (grey) {
    out = fromPlanes([part(await run(toPlanes(bytes, 1), 1, width, height))]);
  } else {
    const [y, cb, cr] = toYCbCr(bytes);
    out = fromYCbCr(part(await run(y, 1, width, height)), bicubic(cb), bicubic(cr));
  }
  if (transparent) setAlpha(out, bicubic(Float32Array.from({ length: count }, (_, i) => bytes[4 * i + 3] / 255)));
  return { rgba: out.buffer };
}

const TASKS = { load, enlarge: enlargeWindow };

self.addEventListener("message", async ({ data }) => {
  try {
    const answer = await TASKS[data.do](data);
    self.postMessage({ id: data.id, ...answer }, answer.rgba ? [answer.rgba] : []);
  } catch (error) {
    self.postMessage({ id: data.id, error: String(error?.message ?? error) });
  }
});
