// The page around a loupe: its address and its colours. Joined with loupe.js into one closure by viewer.py.

// The address holds one part for each loupe that was used: #loupe-NAME=x,y,zoom,mode,first,second,divider&loupe-…
function addressParts() {
  return location.hash.slice(1).split("&").filter((part) => part.startsWith("loupe-"));
}

function isFirst(name) {
  return addressParts()[0]?.startsWith(`loupe-${name}=`) ?? false;
}

function writeAddress(name, { x, y, zoom, mode, a, b, split }) {
  const key = `loupe-${name}=`, short = (v) => Number(v.toFixed(1));
  const mine = key + [short(x), short(y), zoom, mode, a + 1, b + 1, Math.round(split * 100)].join(",");
  const others = addressParts().filter((part) => !part.startsWith(key));
  try {
    history.replaceState(history.state, "", `#${[mine, ...others].join("&")}`);
  } catch { /* a sandboxed frame has no address to write to */ }
}

// What the address says about this loupe, as far as it makes sense; null when it says nothing.
function readAddress(name, modes, count) {
  const key = `loupe-${name}=`, mine = addressParts().find((part) => part.startsWith(key));
  if (!mine) return null;
  const [x, y, zoom, mode, a, b, split] = mine.slice(key.length).split(",");
  const change = {}, whole = (text) => /^\d+$/.test(text ?? "") ? Number(text) : NaN;
  if (x && y && isFinite(x) && isFinite(y)) Object.assign(change, { x: Number(x), y: Number(y) });
  if (whole(zoom) >= 1) change.zoom = whole(zoom);
  if (modes.includes(mode)) change.mode = mode;
  if (whole(a) >= 1 && whole(a) <= count) change.a = whole(a) - 1;
  if (whole(b) >= 1 && whole(b) <= count) change.b = whole(b) - 1;
  if (whole(split) <= 100) change.split = whole(split) / 100;
  return change;
}

// Class "dark" as the page is: the book's theme, JupyterLab's, Colab's, VS Code's, else the system's.
function followTheme(box) {
  const system = matchMedia("(prefers-color-scheme: dark)"), page = document.documentElement, { body } = document;
  function update() {
    const theme = page.dataset.theme || page.getAttribute("theme"), lab = body.dataset.jpThemeLight;
    const said = theme === "dark" || theme === "light" ? theme : lab ? (lab === "false" ? "dark" : "light")
      : body.classList.contains("vscode-dark") ? "dark" : body.classList.contains("vscode-light") ? "light" : null;
    box.classList.toggle("dark", said ? said === "dark" : system.matches);
  }
  const observer = new MutationObserver(update);
  for (const node of [page, body]) observer.observe(node, { attributes: true });
  system.addEventListener("change", update);
  update();
}
