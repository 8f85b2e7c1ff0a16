// Says whether the figures are live, and copies announce URLs. The page is whole without it.

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
document.addEventListener("fresh", (event) => mark(event.detail));
mark(true);
