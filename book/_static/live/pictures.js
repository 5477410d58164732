// Pictures: opened, held against what this device can bear, and saved.
import { small } from "./engine.js";

// Megapixels of the result. Each takes 8 MB beside the workers; telephones give a canvas 16.7 megapixels at most.
export const LIMIT = (small ? 16 : 40) * 1e6;

// Whether a file holds one colour channel. Of such a file srlib gives the network grey itself, not its luma.
export function isGrey(bytes) {
  const at = (i) => bytes[i] ?? -1;
  if (at(0) === 0x89 && at(1) === 0x50) return at(25) === 0 || at(25) === 4;  // PNG: the colour type in IHDR
  if (at(0) !== 0xff || at(1) !== 0xd8) return false;
  for (let i = 2; i < bytes.length && at(i) === 0xff; i += 2 + at(i + 2) * 256 + at(i + 3)) {  // JPEG: look for SOF
    const marker = at(i + 1);
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) return at(i + 9) === 1;
  }
  return false;
}

// A file as { canvas, grey, transparent, name }, upright, its colours brought to sRGB.
export async function openPicture(blob, name) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, { imageOrientation: "from-image" });
  } catch {
    throw new Error(`${name} is not a picture that this browser can read.`);
  }
  const canvas = document.createElement("canvas");
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context?.drawImage(bitmap, 0, 0);
  bitmap.close();
  try {
    const head = new Uint8Array(await blob.slice(0, 2 ** 20).arrayBuffer());
    return { canvas, grey: isGrey(head), transparent: isTransparent(context, canvas), name };
  } catch {  // no context, or no memory for its pixels
    throw new Error(`${name} has ${sizeOf(canvas)} pixels, which is more than this browser can hold.`);
  }
}

function isTransparent(context, { width, height }) {
  const rows = Math.max(1, Math.floor(1e6 / width));
  for (let top = 0; top < height; top += rows) {
    const { data } = context.getImageData(0, top, width, Math.min(rows, height - top));
    for (let i = 3; i < data.length; i += 4) if (data[i] !== 255) return true;
  }
  return false;
}

export const sizeOf = ({ width, height }, scale = 1) => `${width * scale} × ${height * scale}`;

// The middle of a picture, as much as can be enlarged by `scale` here.
export function middleOf(picture, scale) {
  const { canvas } = picture, share = Math.sqrt(LIMIT / (canvas.width * canvas.height * scale ** 2));
  const width = Math.floor(canvas.width * share), height = Math.floor(canvas.height * share);
  const part = document.createElement("canvas");
  part.width = width;
  part.height = height;
  const left = Math.floor((canvas.width - width) / 2), top = Math.floor((canvas.height - height) / 2);
  part.getContext("2d", { willReadFrequently: true }).drawImage(canvas, -left, -top);
  return { ...picture, canvas: part };
}

export function save(canvas, name) {
  return new Promise((resolve, reject) => canvas.toBlob((blob) => {
    if (!blob) return reject(new Error("The browser could not write the picture as PNG."));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    resolve(blob);
  }, "image/png"));
}
