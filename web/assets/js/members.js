// Copies hashes and links, shows passwords, and narrows a page of a list by a word. The pages are
// whole without it.

const COPIED_MS = 2_000;

for (const button of document.querySelectorAll("[data-copy], [data-copy-link]")) {
  const { copy, copyLink } = button.dataset;
  const text = copy ?? new URL(copyLink, location.href).href;
  const name = button.textContent;
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed";
    }
    setTimeout(() => (button.textContent = name), COPIED_MS);
  });
}

/** Puts a button beside a password that shows and hides it. */
function makeShowable(field) {
  const hadFocus = field === document.activeElement;
  const button = document.createElement("button");
  const box = document.createElement("span");
  box.className = "secret";
  button.className = "button button-small";
  button.type = "button";
  button.setAttribute("aria-controls", field.id);
  const show = (isShown) => {
    field.type = isShown ? "text" : "password";
    button.textContent = isShown ? "Hide" : "Show";
  };
  show(false);
  button.addEventListener("click", () => show(field.type === "password"));
  // Browsers remember what is typed as text.
  field.form.addEventListener("submit", () => show(false));
  field.replaceWith(box);
  box.append(field, button);
  if (hadFocus) field.focus();
}

document.querySelectorAll("input[type=password]").forEach(makeShowable);

const filter = document.querySelector("[data-filter]");
const rows = [...document.querySelectorAll("[data-rows] tr")];
if (filter && rows.length > 1) {
  filter.hidden = false;
  const field = filter.querySelector("input");
  field.addEventListener("input", () => {
    const word = field.value.trim().toLowerCase();
    for (const row of rows) {
      row.hidden = !row.querySelector(".name").textContent.toLowerCase().includes(word);
    }
  });
}
