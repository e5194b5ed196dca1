/* SPDX-License-Identifier: GPL-2.0 */
"use strict";
/* A click on a column's head sorts its table; the page is whole without it. */
const valueOf = (row, column) => {
	const cell = row.cells[column];
	const words = cell.dataset.key ?? cell.textContent.trim();
	const number = parseFloat(words.replaceAll(",", ""));
	return Number.isNaN(number) ? words : number;
};
const compare = (a, b) => {
	if (typeof a === "number" && typeof b === "number") return a - b;
	if (typeof a === "number") return 1;
	if (typeof b === "number") return -1;
	return a.localeCompare(b);
};
const sortBy = (head) => {
	const column = head.cellIndex;
	const body = head.closest("table").tBodies[0];
	const numbers = head.classList.contains("n");
	const was = head.getAttribute("aria-sort");
	const down = was ? was === "ascending" : numbers;
	for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
	head.setAttribute("aria-sort", down ? "descending" : "ascending");
	const rows = [...body.rows];
	rows.sort((a, b) => (down ? -1 : 1) * compare(valueOf(a, column), valueOf(b, column)));
	body.append(...rows);
};
for (const head of document.querySelectorAll("table.sorts thead th")) {
	if (!head.textContent.trim()) continue;
	const button = document.createElement("button");
	button.type = "button";
	button.append(...head.childNodes);
	button.addEventListener("click", () => sortBy(head));
	head.append(button);
}
