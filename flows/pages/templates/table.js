"use strict";
// Sorts a table by a click on a heading, and shows the rows that have all words of the filter and the chosen values.
for (const table of document.querySelectorAll("table.sorted")) {
  const body = table.tBodies[0];
  const value = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.value ?? cell.textContent.trim();
  };
  const compare = (a, b) => {
    // What a row does not have comes last, whichever way the others go; equal numbers are no reason to move.
    const [x, y] = [parseFloat(a), parseFloat(b)];
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, undefined, { numeric: true }) : x - y;
  };
  const sort = (heading) => {
    const down = heading.getAttribute("aria-sort") !== "descending";
    for (const other of heading.parentNode.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...body.rows];
    const lacking = (row) => ["", "–"].includes(value(row, heading.cellIndex));
    rows.sort((a, b) => {
      if (lacking(a) !== lacking(b)) return lacking(a) ? 1 : -1;
      const order = compare(value(a, heading.cellIndex), value(b, heading.cellIndex));
      return down ? -order : order;
    });
    body.append(...rows);
  };
  for (const heading of table.tHead.rows[0].cells) {
    if (heading.dataset.sort === undefined) continue;
    heading.tabIndex = 0;
    heading.addEventListener("click", () => sort(heading));
    heading.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        sort(heading);
      }
    });
  }
  const form = table.closest("section").querySelector(".filter");
  if (!form) continue;
  const words = form.querySelector("input");
  const choices = [...form.querySelectorAll("select")];
  const shown = form.querySelector("output");
  const filter = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of body.rows) {
      const text = row.textContent.toLowerCase();
      const chosen = choices.every((choice) => !choice.value || row.dataset[choice.name] === choice.value);
      row.hidden = !(chosen && wanted.every((word) => text.includes(word)));
      count += row.hidden ? 0 : 1;
    }
    shown.textContent = `${count} of ${body.rows.length}`;
  };
  form.hidden = false;
  for (const part of [words, ...choices]) part.addEventListener("input", filter);
  filter();
}
