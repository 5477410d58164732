// Where a pixel of a channel goes, and how it is drawn on its way. Joined with shuffle.js into one closure.

// Each order says for pixel (x, y) of channel k, w × h pixels large, where it goes, and from where pixel (X, Y) came.
const ORDERS = [
  {
    text: "row, then column: k = i·r + j",
    there: ({ r }, k, x, y) => [x * r + k % r, y * r + Math.floor(k / r)],
    back: ({ r }, X, Y) => [Y % r * r + X % r, Math.floor(X / r), Math.floor(Y / r)],
    why: ({ r }, k) => `In its block it is in row i = ${Math.floor(k / r)} and column j = ${k % r}: `
      + `${k} = ${Math.floor(k / r)} · ${r} + ${k % r}.`,
  },
  {
    text: "wrong: column, then row",
    there: ({ r }, k, x, y) => [x * r + Math.floor(k / r), y * r + k % r],
    back: ({ r }, X, Y) => [X % r * r + Y % r, Math.floor(X / r), Math.floor(Y / r)],
    why: ({ r }, k) => `In its block it is in row ${k % r} and column ${Math.floor(k / r)}. `
      + `It belongs in row ${Math.floor(k / r)} and column ${k % r}.`,
  },
  {
    text: "wrong: reshape alone",
    there: ({ w, h, width }, k, x, y) => {
      const place = (k * h + y) * w + x;
      return [place % width, Math.floor(place / width)];
    },
    back: ({ w, h, width }, X, Y) => {
      const place = Y * width + X;
      return [Math.floor(place / (w * h)), place % w, Math.floor(place / w) % h];
    },
    why: () => "Channel after channel, row after row: no pixel comes to its block.",
  },
];

// Sizes of everything on the canvas, in device pixels: maps above or beside the picture, `cell` for each pixel.
function arrange({ r, w, h, width, height }, room, dpr) {
  const gap = Math.round(5 * dpr), line = Math.round(17 * dpr), middle = Math.round(36 * dpr);
  const wide = room >= 540 * dpr, free = room - (r - 1) * gap - (wide ? middle : 0);
  const cell = clamp(Math.floor(free / (wide ? 2 * width : width)), 1, Math.round(8 * dpr));
  const across = width * cell + (r - 1) * gap, down = height * cell + r * line + (r - 1) * gap;
  return {
    cell, line, gap, wide, middle, across, down,
    map: (k) => [k % r * (w * cell + gap), Math.floor(k / r) * (h * cell + gap + line) + line],
    picture: wide ? [across + middle, line] : [0, down + line + gap],
    size: wide ? [across + middle + width * cell, Math.max(down, height * cell + line)]
      : [across, down + gap + line + height * cell],
  };
}

// What lies under a point of the canvas: the pixel (k, x, y) of a channel, or the one that came to that place; or null.
function under(shape, layout, order, px, py) {
  const { r, w, h, width, height } = shape, { cell } = layout;
  const X = Math.floor((px - layout.picture[0]) / cell), Y = Math.floor((py - layout.picture[1]) / cell);
  if (X >= 0 && Y >= 0 && X < width && Y < height) return order.back(shape, X, Y);
  for (let k = 0; k < r * r; k++) {
    const [left, top] = layout.map(k), x = Math.floor((px - left) / cell), y = Math.floor((py - top) / cell);
    if (x >= 0 && y >= 0 && x < w && y < h) return [k, x, y];
  }
  return null;
}

// Everything: channels, the part of the picture that `progress` channels make, and the chosen pixel at both places.
function paint(context, shape, layout, { order, progress, chosen, alone }, colourOf, colours, dpr) {
  const { r, w, h, width, height } = shape, { cell, line } = layout, [left, top] = layout.picture;
  const { canvas } = context;
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.font = `${Math.round(12 * dpr)}px system-ui, sans-serif`;
  context.textBaseline = "alphabetic";
  context.fillStyle = colours.text;
  for (let k = 0; k < r * r; k++) context.fillText(String(k), layout.map(k)[0], layout.map(k)[1] - Math.round(4 * dpr));
  context.fillText(`picture, ${width} × ${height} pixels`, left, top - Math.round(4 * dpr));
  if (layout.wide) {
    context.font = `${Math.round(22 * dpr)}px system-ui, sans-serif`;
    context.fillText("→", left - layout.middle + Math.round(7 * dpr), Math.round(layout.down / 2));
  }
  context.fillStyle = colours.empty;
  context.fillRect(left, top, width * cell, height * cell);
  const flying = [];
  for (let k = 0; k < r * r; k++) {
    const [mapLeft, mapTop] = layout.map(k), part = clamp(progress - k, 0, 1), eased = part * part * (3 - 2 * part);
    for (let y = 0; y < h; y++) {
      for (let x = 0; x < w; x++) {
        const fromX = mapLeft + x * cell, fromY = mapTop + y * cell;
        context.fillStyle = colourOf(k, x, y);
        context.fillRect(fromX, fromY, cell, cell);
        if (!part) continue;
        const [X, Y] = order.there(shape, k, x, y), toX = left + X * cell, toY = top + Y * cell;
        if (part < 1) flying.push([context.fillStyle, fromX + (toX - fromX) * eased, fromY + (toY - fromY) * eased]);
        else if (!alone || !chosen || chosen[0] === k) context.fillRect(toX, toY, cell, cell);
      }
    }
  }
  for (const [colour, x, y] of flying) {
    context.fillStyle = colour;
    context.fillRect(Math.round(x), Math.round(y), cell, cell);
  }
  if (!chosen) return;
  const [k, x, y] = chosen, [X, Y] = order.there(shape, k, x, y);
  const from = [layout.map(k)[0] + x * cell, layout.map(k)[1] + y * cell], to = [left + X * cell, top + Y * cell];
  const block = order === ORDERS[2] ? null : [left + (X - X % r) * cell, top + (Y - Y % r) * cell, r * cell];
  for (const [colour, thick] of [["#000000", 4], [colours.mark, 2]]) {
    context.strokeStyle = colour;
    context.lineWidth = Math.max(1, Math.round(thick * dpr));
    context.strokeRect(...layout.map(k), w * cell, h * cell);
    for (const [a, b] of [from, to]) context.strokeRect(a - 1, b - 1, cell + 2, cell + 2);
    if (block) context.strokeRect(block[0] - 1, block[1] - 1, block[2] + 2, block[2] + 2);
    context.beginPath();
    context.moveTo(from[0] + cell / 2, from[1] + cell / 2);
    context.lineTo(to[0] + cell / 2, to[1] + cell / 2);
    context.stroke();
  }
}
