// Keeps a page fresh. The page is whole without it.
//
// Every few seconds the page itself is asked for again, and each part of it that is marked
// `data-fresh` takes over what has changed. So figures are put into words in one place, on the
// server, and what has not changed stays as it is: selections, focus, and what a reader is reading.
// Of each try the document is told by an event `fresh`, whose `detail` says whether it went well.

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
    const path = location.pathname + location.search;
    request.open("GET", path);
    request.responseType = "document";
    request.timeout = TIMEOUT_MS;
    request.onload = () => {
      const isThere = request.status === 200 && request.responseURL.endsWith(path);
      const isPage = isThere && request.responseXML;
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

async function refresh() {
  clearTimeout(timer);
  try {
    show(await fetchPage());
    failures = 0;
  } catch {
    failures += 1;
  }
  document.dispatchEvent(new CustomEvent("fresh", { detail: failures === 0 }));
  schedule(Math.min(PERIOD_MS * 2 ** failures, PERIOD_MAX_MS));
}

/** One timer at most, and none in a hidden tab. */
function schedule(delay) {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(refresh, delay);
}

document.addEventListener("visibilitychange", () => schedule(0));
schedule(PERIOD_MS);
