// The page around an interactive figure: elements, its address and its colours. Python joins this file with a figure's
// own scripts into one closure (_fragment.py).
const ratio = () => window.devicePixelRatio || 1;
const clamp = (v, low, high) => Math.min(high, Math.max(low, v));

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== false && value != null) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

// The address holds one part for each figure that was used: #loupe-NAME=…&lab-NAME=…; a figure's key is "loupe-NAME".
function addressParts() {
  return location.hash.slice(1).split("&").filter((part) => /^[a-z]+-[\w-]+=/.test(part));
}

function isFirst(key) {
  return addressParts()[0]?.startsWith(`${key}=`) ?? false;
}

function writeAddress(key, values) {
  const others = addressParts().filter((part) => !part.startsWith(`${key}=`));
  try {
    history.replaceState(history.state, "", `#${[`${key}=${values.join(",")}`, ...others].join("&")}`);
  } catch { /* a sandboxed frame has no address to write to */ }
}

// What the address says about this figure, as a list of texts; null when it says nothing.
function readAddress(key) {
  const mine = addressParts().find((part) => part.startsWith(`${key}=`));
  return mine ? mine.slice(key.length + 1).split(",") : null;
}

const whole = (text) => /^\d+$/.test(text ?? "") ? Number(text) : NaN;

// Class "dark" as the page is: the book's theme, JupyterLab's, Colab's, VS Code's, else the system's.
function followTheme(box, signal) {
  const system = matchMedia("(prefers-color-scheme: dark)"), page = document.documentElement, { body } = document;
  function update() {
    const theme = page.dataset.theme || page.getAttribute("theme"), lab = body.dataset.jpThemeLight;
    const said = theme === "dark" || theme === "light" ? theme : lab ? (lab === "false" ? "dark" : "light")
      : body.classList.contains("vscode-dark") ? "dark" : body.classList.contains("vscode-light") ? "light" : null;
    box.classList.toggle("dark", said ? said === "dark" : system.matches);
  }
  const observer = new MutationObserver(update);
  for (const node of [page, body]) observer.observe(node, { attributes: true });
  system.addEventListener("change", update, { signal });
  signal?.addEventListener("abort", () => observer.disconnect());
  update();
}
