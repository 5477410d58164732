// A large picture in windows of one size. Each is seen with `overlap` pixels around the part that is kept, as many as
// the network can see, so that the kept parts fit together exactly; at the picture's border a window ends where the
// picture ends, and there all of it is kept.

// `count` windows of `side` pixels over `size` pixels: where each starts, and which part is kept, in picture pixels.
function along(size, side, count, overlap) {
  const starts = Array.from({ length: count }, (_, i) => Math.min(i * (side - 2 * overlap), size - side));
  return starts.map((start, i) => ({
    start,
    from: i === 0 ? 0 : starts[i - 1] + side - overlap,
    to: i === count - 1 ? size : start + side - overlap,
  }));
}

// How many windows of at most `most` pixels are needed, and the smallest side with which that many are enough.
function split(size, most, overlap) {
  if (size <= most) return { count: 1, side: size };
  const count = Math.ceil((size - 2 * overlap) / (most - 2 * overlap));
  return { count, side: Math.ceil((size - 2 * overlap) / count) + 2 * overlap };
}

// Windows of at most `area` pixels, cut so that `workers` are done soonest: { left, top, width, height, kept }, with
// `kept` { left, top, width, height } counted from the window's corner.
export function windows(width, height, overlap, area, workers) {
  let best = null;
  const least = 2 * overlap + 1;
  for (let columns = 1; columns <= 64; columns++) {
    const across = split(width, Math.ceil((width - 2 * overlap) / columns) + 2 * overlap, overlap);
    for (let rows = 1; rows <= 64; rows++) {
      const down = split(height, Math.ceil((height - 2 * overlap) / rows) + 2 * overlap, overlap);
      const pixels = across.side * down.side, small = pixels <= area || (across.side <= least && down.side <= least);
      const time = Math.ceil((across.count * down.count) / workers) * (pixels + 1000);  // a window costs a little itself
      if (small && (!best || time < best.time)) best = { across, down, time };
    }
  }
  // A picture of more than 64 × 64 windows: squares.
  const side = Math.max(least, Math.floor(Math.sqrt(area)));
  const { across, down } = best ?? { across: split(width, side, overlap), down: split(height, side, overlap) };
  const columns = along(width, across.side, across.count, overlap);
  return along(height, down.side, down.count, overlap).flatMap((y) => columns.map((x) => ({
    left: x.start, top: y.start, width: across.side, height: down.side,
    kept: { left: x.from - x.start, top: y.from - y.start, width: x.to - x.from, height: y.to - y.from },
  })));
}
