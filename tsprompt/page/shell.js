"use strict";

// Tables whose heads hold buttons are sorted by the column of the button that is pressed.
const valueOf = (row, column) => {
  const cell = row.cells[column];
  return cell.dataset.value ?? cell.textContent.trim();
};

const compare = (a, b, up) => {
  if (a === "" || b === "") return (a === "") - (b === ""); // what isn't there comes last
  const difference = Number(a) - Number(b);
  const order = Number.isNaN(difference) ? a.localeCompare(b, undefined, { numeric: true }) : difference;
  return up ? order : -order;
};

for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th");
    const body = head.closest("table").tBodies[0];
    const before = head.getAttribute("aria-sort");
    const up = before === "none" ? head.dataset.first === "up" : before === "descending";
    for (const other of head.parentElement.cells) {
      if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
    }
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const column = head.cellIndex;
    const rows = [...body.rows];
    rows.sort((a, b) => compare(valueOf(a, column), valueOf(b, column), up));
    body.append(...rows);
  });
}

// A link to what is folded opens it.
const open = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) {
    target.open = true;
    target.scrollIntoView();
  }
};
window.addEventListener("hashchange", open);
open();
