// Copies hashes and links, and narrows a page of a list by a word. The pages are whole without it.

const COPIED_MS = 2_000;

for (const button of document.querySelectorAll("[data-copy]")) {
  const name = button.textContent;
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed";
    }
    setTimeout(() => (button.textContent = name), COPIED_MS);
  });
}

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
