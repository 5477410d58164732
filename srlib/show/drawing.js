// Pixels of the loupe: pictures in, blocks of device pixels out. Joined with loupe.js into one closure by viewer.py.
const LIMIT = 32;  // grey levels at the end of the difference's scale
// Blue, white, red: five stops of ColorBrewer's RdBu, the map of the book's error figures.
const STOPS = [[5, 48, 97], [67, 147, 195], [247, 247, 247], [214, 96, 77], [103, 0, 31]];

function ramp(t) {  // -1..1 to a colour
  const position = (clamp(t, -1, 1) + 1) * 2, i = Math.min(3, Math.floor(position)), part = position - i;
  return STOPS[i].map((v, c) => Math.round(v + part * (STOPS[i + 1][c] - v)));
}

// What the loupe shows: a canvas with a title. An LR picture has a factor, by which its pixels are larger than those of
// the others; a grey one is luma already. Luma is computed when somebody asks for it: a large picture's takes memory.
function pictureOf(canvas, { title, factor = 1, grey = false }) {
  let luma = null;
  return { title, factor, canvas, get luma() { return luma ??= lumaOf(canvas, grey); }, forget() { luma = null; } };
}

function readPicture(img) {
  const canvas = element("canvas", { width: img.naturalWidth, height: img.naturalHeight });
  canvas.getContext("2d", { willReadFrequently: true }).drawImage(img, 0, 0);
  const { title, factor, grey } = img.dataset;
  return pictureOf(canvas, { title, factor: Number(factor), grey: grey === "1" });
}

function lumaOf(canvas, grey) {  // in grey levels
  const { data } = canvas.getContext("2d", { willReadFrequently: true })
    .getImageData(0, 0, canvas.width, canvas.height);
  const luma = new Float64Array(canvas.width * canvas.height);
  for (let i = 0; i < luma.length; i++) {
    const r = data[4 * i], g = data[4 * i + 1], b = data[4 * i + 2];
    luma[i] = grey ? r : 16 + (65.481 * r + 128.553 * g + 24.966 * b) / 255;  // BT.601, studio range
  }
  return luma;
}

function differenceOf(a, b) {  // a - b in grey levels of luma, drawn on the scale -32..32
  const width = a.canvas.width * a.factor, height = a.canvas.height * a.factor;
  const canvas = element("canvas", { width, height }), context = canvas.getContext("2d");
  const image = context.createImageData(width, height), table = new Uint8ClampedArray(4 * 513);
  for (let i = 0; i <= 512; i++) table.set([...ramp(i / 256 - 1), 255], 4 * i);
  const at = (p, x, y) => p.luma[Math.floor(y / p.factor) * p.canvas.width + Math.floor(x / p.factor)];
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i += 4) {
      const entry = 4 * Math.round((clamp((at(a, x, y) - at(b, x, y)) / LIMIT, -1, 1) + 1) * 256);
      for (let c = 0; c < 4; c++) image.data[i + c] = table[entry + c];
    }
  }
  context.putImageData(image, 0, 0);
  return { canvas, factor: 1 };
}

// Whole source pixels to whole blocks of `size` device pixels, the picture's corner at (left, top).
function drawPicture(context, { canvas, factor }, left, top, size, from = 0, to = context.canvas.width) {
  const block = size * factor, { height } = context.canvas;
  const x0 = Math.max(0, Math.floor(-left / block)), y0 = Math.max(0, Math.floor(-top / block));
  const x1 = Math.min(canvas.width, Math.ceil((context.canvas.width - left) / block));
  const y1 = Math.min(canvas.height, Math.ceil((height - top) / block));
  if (x1 <= x0 || y1 <= y0) return;
  context.save();
  context.beginPath();
  context.rect(from, 0, to - from, height);
  context.clip();
  context.imageSmoothingEnabled = false;
  context.drawImage(canvas, x0, y0, x1 - x0, y1 - y0,
    left + x0 * block, top + y0 * block, (x1 - x0) * block, (y1 - y0) * block);
  context.restore();
}

function drawDivider(context, x, ratio) {
  const { height } = context.canvas;
  for (const [colour, width] of [["#000000", 4], ["#ffffff", 2]]) {
    context.fillStyle = colour;
    context.fillRect(Math.round(x - width * ratio / 2), 0, Math.round(width * ratio), height);
    context.beginPath();
    context.arc(x, height / 2, (6 + width) * ratio, 0, 2 * Math.PI);
    context.fill();
  }
}
