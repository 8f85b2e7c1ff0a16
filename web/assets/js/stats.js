// Keeps the figures of the page fresh, and copies announce URLs. The page is whole without it.
//
// Each number names its place in /stats.json: `data-figure` with a `data-format`, `data-bar` for a
// bar of a group, `data-part` and `data-whole` for a share. The forms are those of
// src/site/numbers.rs.

const PERIOD_MS = 5_000;
const PERIOD_MAX_MS = 60_000;
const TIMEOUT_MS = 4_000;

let timer;
let failures = 0;

function count(number) {
  return number.toLocaleString("en-US");
}

function bytes(amount) {
  if (amount < 1024) return `${amount} B`;
  let size = 1024;
  for (const unit of ["KB", "MB", "GB", "TB", "PB"]) {
    const tenths = Math.round((amount * 10) / size);
    if (tenths < 10_240 || unit === "PB") return `${(tenths / 10).toFixed(1)} ${unit}`;
    size *= 1024;
  }
}

function uptime(seconds) {
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor(seconds / 3600) % 24;
  const minutes = Math.floor(seconds / 60) % 60;
  return `${days ? `${days}d ` : ""}${hours ? `${hours}h ` : ""}${minutes}m`;
}

function share(part, whole) {
  const tenths = whole ? Math.round((part * 1000) / whole) : 0;
  return `${(tenths / 10).toFixed(1)}%`;
}

const FORMATS = { count, bytes, uptime };

/** The number at a path such as `swarms.peers`. */
function find(figures, path) {
  return path.split(".").reduce((value, key) => value[key], figures);
}

/** The sum of the numbers at paths with spaces between them. */
function sum(figures, paths) {
  return paths.split(" ").reduce((total, path) => total + find(figures, path), 0);
}

/** Leaves an element alone that says the right thing, so that selections and readers stay put. */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function show(figures) {
  for (const element of document.querySelectorAll("[data-figure]")) {
    const { figure, format } = element.dataset;
    write(element, FORMATS[format](find(figures, figure)));
  }
  for (const element of document.querySelectorAll("[data-part]")) {
    const { part, whole } = element.dataset;
    write(element, share(find(figures, part), sum(figures, whole)));
  }
  for (const group of document.querySelectorAll("[data-bars]")) {
    const bars = [...group.querySelectorAll("[data-bar]")];
    const whole = sum(figures, bars.map((bar) => bar.dataset.bar).join(" "));
    for (const bar of bars) {
      const number = find(figures, bar.dataset.bar);
      const part = share(number, whole);
      write(bar.querySelector("[data-number]"), count(number));
      write(bar.querySelector("[data-share]"), part);
      bar.querySelector("rect").setAttribute("width", part);
    }
  }
}

/** Says whether the figures are fresh: in the badge always, aloud only when that changes. */
function mark(isFresh) {
  const badge = document.querySelector("[data-live]");
  const text = isFresh ? "Live" : "Offline";
  const hasChanged = !badge.hidden && badge.textContent !== text;
  badge.hidden = false;
  badge.classList.toggle("badge-stale", !isFresh);
  write(badge, text);
  if (hasChanged) {
    say(isFresh ? "The figures are live again." : "The tracker cannot be reached; figures are old.");
  }
}

function say(text) {
  document.querySelector("[data-status]").textContent = text;
}

async function refresh() {
  clearTimeout(timer);
  try {
    const response = await fetch("/stats.json", {
      cache: "no-store",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (!response.ok) throw new Error(`status ${response.status}`);
    show(await response.json());
    failures = 0;
  } catch {
    failures += 1;
  }
  mark(failures === 0);
  schedule(Math.min(PERIOD_MS * 2 ** failures, PERIOD_MAX_MS));
}

/** One timer at most, and none in a hidden tab. */
function schedule(delay) {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(refresh, delay);
}

/** Copies the old way where there is no clipboard: pages over plain HTTP are not given one. */
function copySelected(element) {
  const selection = getSelection();
  selection.selectAllChildren(element);
  const hasCopied = document.execCommand("copy");
  if (hasCopied) selection.removeAllRanges();
  return hasCopied;
}

async function copy(button) {
  const url = button.parentElement.querySelector("[data-url]");
  let hasCopied = false;
  try {
    await navigator.clipboard.writeText(url.textContent);
    hasCopied = true;
  } catch {
    hasCopied = copySelected(url);
  }
  // Where nothing works the URL is left selected, ready for the keyboard.
  button.textContent = hasCopied ? "Copied" : "Selected";
  say(hasCopied ? "Copied." : "The URL is selected; copy it with the keyboard.");
  setTimeout(() => {
    button.textContent = "Copy";
    say("");
  }, 2_000);
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", () => copy(button));
}
document.addEventListener("visibilitychange", () => schedule(0));
mark(true);
schedule(PERIOD_MS);
