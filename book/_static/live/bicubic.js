// MATLAB's bicubic enlargement by a whole factor (Keys' cubic, a = -1/2, the edge pixel repeated), as srlib.degrade has
// it. An enlarged pixel sees five pixels of the small picture in each direction, and its weights depend only on its
// place within its block.
function cubic(x) {
  const d = Math.abs(x);
  if (d <= 1) return (1.5 * d - 2.5) * d * d + 1;
  return d <= 2 ? ((-0.5 * d + 2.5) * d - 4) * d + 2 : 0;
}

function tapsOf(scale) {
  return Array.from({ length: scale }, (_, i) => {
    const place = (i + 0.5) / scale - 0.5, taps = [-2, -1, 0, 1, 2].map((k) => cubic(place - k));
    const sum = taps.reduce((a, b) => a + b);
    return taps.map((tap) => tap / sum);
  });
}

// `plane` has width × height floats; `kept` names the part { left, top, width, height } of it, in its own pixels, whose
// enlargement is wanted. Rows first, then columns.
export function enlarge(plane, width, height, scale, kept) {
  const taps = tapsOf(scale), inside = (v, n) => Math.min(n - 1, Math.max(0, v));
  const high = kept.height * scale, wide = kept.width * scale;
  const first = Math.max(0, kept.left - 2), last = Math.min(width, kept.left + kept.width + 2), span = last - first;
  const rows = new Float32Array(high * span);
  for (let y = 0; y < high; y++) {
    const [a, b, c, d, e] = taps[y % scale], centre = kept.top + Math.floor(y / scale);
    const [p, q, r, s, t] = [-2, -1, 0, 1, 2].map((k) => inside(centre + k, height) * width + first);
    for (let x = 0, out = y * span; x < span; x++, out++) {
      rows[out] = a * plane[p + x] + b * plane[q + x] + c * plane[r + x] + d * plane[s + x] + e * plane[t + x];
    }
  }
  const places = new Int32Array(5 * kept.width);
  for (let x = 0; x < kept.width; x++) {
    for (let k = 0; k < 5; k++) places[5 * x + k] = inside(kept.left + x + k - 2, width) - first;
  }
  const large = new Float32Array(high * wide);
  for (let y = 0, out = 0; y < high; y++) {
    const row = y * span;
    for (let x = 0; x < kept.width; x++) {
      const k = 5 * x, p = rows[row + places[k]], q = rows[row + places[k + 1]], r = rows[row + places[k + 2]];
      const s = rows[row + places[k + 3]], t = rows[row + places[k + 4]];
      for (let i = 0; i < scale; i++, out++) {
        const tap = taps[i];
        large[out] = tap[0] * p + tap[1] * q + tap[2] * r + tap[3] * s + tap[4] * t;
      }
    }
  }
  return large;
}
