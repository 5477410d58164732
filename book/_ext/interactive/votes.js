// Votes of the blind test: which pairs are shown, what is kept on the device, what the votes say. Nothing is drawn here.

// A round shows every pair of methods equally often, at least twelve pairs, in random order, sides and places.
function newRound(methods, places, random = Math.random) {
  const shuffled = (list) => {
    const copy = [...list];
    for (let i = copy.length - 1; i > 0; i--) {
      const k = Math.floor(random() * (i + 1));
      [copy[i], copy[k]] = [copy[k], copy[i]];
    }
    return copy;
  };
  const pairs = methods.flatMap((a, i) => methods.slice(i + 1).map((b) => [a, b]));
  const all = Array.from({ length: Math.ceil(12 / pairs.length) }, () => pairs).flat();
  let order = [];
  return shuffled(all).map((pair) => {
    if (!order.length) order = shuffled(places.map((_, i) => i));  // every place once before any comes again
    const [left, right] = shuffled(pair);
    return { place: order.pop(), left, right };
  });
}

// What was voted and what is still to come, under a key that belongs to this set of pictures.
function keeper(key) {
  try {
    localStorage.getItem(key);
  } catch {
    return { read: () => null, write: () => false };
  }
  return {
    read: () => {
      try {
        const { votes, queue } = JSON.parse(localStorage.getItem(key));
        return Array.isArray(votes) && Array.isArray(queue) ? { votes, queue } : null;
      } catch { return null; }  // nothing there, or not ours
    },
    write: (content) => {
      try {
        localStorage.setItem(key, JSON.stringify(content));
        return true;
      } catch { return false; }  // full, or forbidden
    },
  };
}

// For each method: how often it was shown and what it won (a half where neither looks better), in the reader's eyes and
// by PSNR on the same pairs; and how often the two agree among the pairs that the reader decided.
function count(votes, methods, places) {
  const table = new Map(methods.map((method) => [method, { shown: 0, won: 0, byPsnr: 0,
    psnr: places.reduce((sum, { psnr }) => sum + psnr[method], 0) / places.length }]));
  let decided = 0, agreed = 0;
  for (const { place, left, right, chosen } of votes) {
    const { psnr } = places[place], better = psnr[left] === psnr[right] ? null : psnr[left] > psnr[right] ? left : right;
    const winner = chosen === "left" ? left : chosen === "right" ? right : null;
    for (const method of [left, right]) {
      const row = table.get(method);
      row.shown++;
      row.won += winner === null ? 0.5 : Number(winner === method);
      row.byPsnr += better === null ? 0.5 : Number(better === method);
    }
    if (winner !== null) { decided++; agreed += Number(winner === better); }
  }
  return { table, decided, agreed };
}

function asCsv(votes, names, places) {
  const quoted = (text) => `"${String(text).replaceAll('"', '""')}"`;
  const head = ["vote", "place", "left", "right", "chosen", "psnr_left_db", "psnr_right_db", "time"];
  const rows = votes.map(({ place, left, right, chosen, time }, i) => [i + 1, quoted(places[place].what),
    quoted(names[left]), quoted(names[right]), chosen, places[place].psnr[left], places[place].psnr[right], time]);
  return [head, ...rows].map((row) => row.join(",")).join("\r\n") + "\r\n";
}
