// Colour as srlib.image has it: BT.601 in studio range, luma 16..235 and chroma 16..240, all divided by 255.
const MIX = [[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]];
const OFFSET = [16, 128, 128];
const INVERSE = inverted(MIX);

function inverted([[a, b, c], [d, e, f], [g, h, i]]) {
  const rows = [
    [e * i - f * h, c * h - b * i, b * f - c * e],
    [f * g - d * i, a * i - c * g, c * d - a * f],
    [d * h - e * g, b * g - a * h, a * e - b * d],
  ];
  const determinant = a * rows[0][0] + b * rows[1][0] + c * rows[2][0];
  return rows.map((row) => row.map((v) => v / determinant));
}

// RGBA bytes to Y, Cb and Cr, each a plane of floats.
export function toYCbCr(rgba) {
  const count = rgba.length / 4;
  return MIX.map(([r, g, b], row) => {
    const plane = new Float32Array(count), offset = OFFSET[row] / 255;
    for (let i = 0, k = 0; i < count; i++, k += 4) {
      plane[i] = (r * rgba[k] + g * rgba[k + 1] + b * rgba[k + 2]) / 65025 + offset;
    }
    return plane;
  });
}

// RGBA bytes to `channels` planes in [0, 1], one after the other, as a network takes them.
export function toPlanes(rgba, channels) {
  const count = rgba.length / 4, planes = new Float32Array(channels * count);
  for (let c = 0; c < channels; c++) {
    for (let i = 0, k = c; i < count; i++, k += 4) planes[c * count + i] = rgba[k] / 255;
  }
  return planes;
}

// [0, 1] to a byte, halves rounded up as MATLAB does. What is no number stays 0.
const byte = (v) => (v >= 1 ? 255 : v > 0 ? Math.floor(v * 255 + 0.5) : 0);

// Y, Cb and Cr to RGBA bytes.
export function fromYCbCr(y, cb, cr) {
  const rgba = new Uint8ClampedArray(4 * y.length);
  const [[ry, rb, rr], [gy, gb, gr], [by, bb, br]] = INVERSE;
  for (let i = 0, k = 0; i < y.length; i++, k += 4) {
    const a = 255 * y[i] - 16, b = 255 * cb[i] - 128, c = 255 * cr[i] - 128;
    rgba[k] = byte(ry * a + rb * b + rr * c);
    rgba[k + 1] = byte(gy * a + gb * b + gr * c);
    rgba[k + 2] = byte(by * a + bb * b + br * c);
    rgba[k + 3] = 255;
  }
  return rgba;
}

// One plane (grey) or three (R, G, B) to RGBA bytes.
export function fromPlanes(planes) {
  const count = planes[0].length, rgba = new Uint8ClampedArray(4 * count).fill(255);
  for (let c = 0; c < 3; c++) {
    const plane = planes[planes.length === 1 ? 0 : c];
    for (let i = 0, k = c; i < count; i++, k += 4) rgba[k] = byte(plane[i]);
  }
  return rgba;
}

// Put a plane of [0, 1] into the fourth byte of each pixel.
export function setAlpha(rgba, plane) {
  for (let i = 0, k = 3; i < plane.length; i++, k += 4) rgba[k] = byte(plane[i]);
}
