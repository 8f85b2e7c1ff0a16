// Keeps the page fresh, and copies announce URLs. The page is whole without it.
//
// Every few seconds the page itself is asked for again, and each part of it that is marked
// `data-fresh` takes over what has changed. So figures are put into words in one place, on the
// server, and what has not changed stays as it is: selections, focus, and what a reader is reading.

const PERIOD_MS = 5_000;
const PERIOD_MAX_MS = 60_000;
const TIMEOUT_MS = 4_000;

let timer;
let failures = 0;

/** Makes a node say what another one does, and touches only what differs. */
function take(node, other) {
  if (node.nodeType !== other.nodeType || node.nodeName !== other.nodeName) {
    node.replaceWith(document.importNode(other, true));
    return;
  }
  if (node.nodeType !== Node.ELEMENT_NODE) {
    if (node.data !== other.data) node.data = other.data;
    return;
  }
  for (const { name } of [...node.attributes]) {
    if (!other.hasAttribute(name)) node.removeAttribute(name);
  }
  for (const { name, value } of other.attributes) {
    if (node.getAttribute(name) !== value) node.setAttribute(name, value);
  }
  const [children, others] = [[...node.childNodes], [...other.childNodes]];
  others.forEach((child, index) => {
    if (index < children.length) take(children[index], child);
    else node.append(document.importNode(child, true));
  });
  children.slice(others.length).forEach((child) => child.remove());
}

/** The page as it is at the moment. Nothing in it runs or loads. */
function fetchPage() {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("GET", location.pathname);
    request.responseType = "document";
    request.timeout = TIMEOUT_MS;
    request.onload = () => {
      const isPage = request.status === 200 && request.responseXML;
      isPage ? resolve(request.responseXML) : reject(new Error(`status ${request.status}`));
    };
    request.onerror = request.ontimeout = () => reject(new Error("no answer"));
    request.send();
  });
}

function show(page) {
  for (const part of document.querySelectorAll("[data-fresh]")) {
    const fresh = page.getElementById(part.id);
    if (fresh) take(part, fresh);
  }
}

/** Says whether the figures are fresh: in the badge always, aloud only when that changes. */
function mark(isFresh) {
  const badge = document.querySelector("[data-live]");
  const text = isFresh ? "Live" : "Offline";
  const hasChanged = !badge.hidden && badge.textContent !== text;
  badge.hidden = false;
  badge.classList.toggle("badge-stale", !isFresh);
  badge.textContent = text;
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
    show(await fetchPage());
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
