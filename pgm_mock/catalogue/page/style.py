"""What stands on every page: its head, its tools, its style and its script."""

HEAD = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<link rel="icon" href="data:,">
"""

TOOLS = """\
<p class="tools" hidden>
<label>Filter <input type="search" id="words" placeholder="any column" autocomplete="off"></label>
<label><input type="checkbox" id="flagged" autocomplete="off"> flagged only</label>
<output id="shown" aria-live="polite"></output>
</p>
"""

STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1b1d21; --soft: #636a74; --line: #e2e5e9; --tint: #f5f6f8;
  --link: #0a58a8; --flag: #a83b14; --warm: #fdf4ef; }
@media screen and (prefers-color-scheme: dark) { :root { --paper: #14161a; --ink: #e3e6ea; --soft: #98a0ab;
  --line: #2b3037; --tint: #1c1f25; --link: #82b6f0; --flag: #f19b78; --warm: #261d19; } }
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0 auto; max-width: 94rem; padding: clamp(1.25rem, 4vw, 3.5rem); background: var(--paper);
  color: var(--ink); font: 0.9375rem/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums;
  -webkit-text-size-adjust: 100%; }
h1 { margin: 0; font-size: 1.75rem; font-weight: 600; line-height: 1.2; letter-spacing: -0.01em; }
h2 { margin: 3rem 0 0.75rem; font-size: 1.125rem; font-weight: 600; }
h3 { margin: 0; font-size: 1rem; font-weight: 600; overflow-wrap: anywhere; }
p, ul, dl, dd, figure { margin: 0; }
header p { margin-top: 0.5rem; color: var(--soft); }
ul { max-width: 75ch; margin-top: 1rem; padding-left: 1.1rem; }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
small { color: var(--soft); font-size: 0.85em; font-weight: 400; }
.field { margin-top: 2rem; }
.field img { display: block; max-width: 100%; max-height: 56rem; border-radius: 4px; }
.tools, .legend { display: flex; flex-wrap: wrap; gap: 0.5rem 1.75rem; align-items: center; margin-bottom: 1rem; }
.tools { color: var(--soft); }
input { font: inherit; color: inherit; accent-color: var(--link); }
input[type="search"] { width: 16rem; max-width: 60vw; margin-left: 0.4rem; padding: 0.3rem 0.6rem; color: var(--ink);
  background: var(--paper); border: 1px solid var(--line); border-radius: 4px; }
.pane { max-height: 85vh; overflow: auto; border: 1px solid var(--line); border-radius: 4px; }
table { width: 100%; border-collapse: separate; border-spacing: 0; font-size: 0.8125rem; }
th, td { padding: 0.5rem 0.75rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: middle;
  white-space: nowrap; background: var(--paper); }
tbody tr:last-child > * { border-bottom: 0; }
.number { text-align: right; }
.words { min-width: 18rem; max-width: 26rem; white-space: normal; }
thead th { position: sticky; top: 0; z-index: 2; padding: 0; background: var(--tint); vertical-align: bottom;
  box-shadow: 1px 0 var(--tint); }
tbody th, thead th:first-child { position: sticky; left: 0; z-index: 1; font-weight: 500;
  border-right: 1px solid var(--line); }
thead th:first-child { z-index: 3; }
thead button { display: block; width: 100%; padding: 0.6rem 0.75rem; border: 0; background: none; color: inherit;
  font: inherit; font-weight: 600; font-size: 0.75rem; text-align: inherit; cursor: pointer; }
thead button:focus-visible { outline-offset: -2px; }
thead button small { display: block; min-height: 1.5em; white-space: nowrap; }
[aria-sort] button small::after { margin-left: 0.4em; color: var(--link); font-weight: 700; }
[aria-sort="ascending"] button small::after { content: "↑"; }
[aria-sort="descending"] button small::after { content: "↓"; }
tbody tr { scroll-margin-top: 5rem; }
tbody tr:hover > *, tbody tr:target > * { background: var(--tint); }
tbody .flagged > * { background: var(--warm); }
tr:target > th a { text-decoration: underline; }
.flagged > th { box-shadow: inset 3px 0 var(--flag); }
[data-none] { color: var(--soft); }
.pm { display: inline-block; margin-left: 0.25em; color: var(--soft); font-size: 0.75em;
  line-height: 1.15; text-align: left; vertical-align: middle; }
.pm sup, .pm sub { display: block; font-size: inherit; line-height: inherit; vertical-align: baseline; }
.legend { color: var(--soft); font-size: 0.8125rem; }
.legend img { width: 6rem; height: 0.6rem; margin: 0 0.3rem; border-radius: 2px; }
article { display: grid; grid-template-columns: 11rem minmax(0, 48rem) minmax(11rem, 1fr); gap: 1rem 2rem;
  padding: 1.75rem 0; border-top: 1px solid var(--line); break-inside: avoid; content-visibility: auto;
  contain-intrinsic-size: auto 18rem; }
article p { margin-top: 0.35rem; font-size: 0.8125rem; }
article:target h3 { text-decoration: underline; }
.meaning { color: var(--soft); }
.flagged .meaning { color: var(--flag); }
.images { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 0.75rem; }
.images img { display: block; width: 100%; image-rendering: pixelated; border-radius: 2px; }
.stamp { position: relative; }
.stamp svg { position: absolute; inset: 0; width: 100%; height: 100%; overflow: hidden; }
.legend svg { width: 1.2rem; height: 1.2rem; vertical-align: middle; }
path { fill: none; stroke-width: 1.5; vector-effect: non-scaling-stroke; }
.light { stroke: #fff; filter: drop-shadow(0 0 0.6px #000) drop-shadow(0 0 0.6px #000); }
.dark { stroke: #000; }
.ink { stroke: var(--ink); }
svg text { fill: #fff; stroke: #000; stroke-width: 0.06em; paint-order: stroke; text-anchor: middle;
  font-weight: 600; }
figcaption { margin-top: 0.4rem; font-size: 0.8125rem; line-height: 1.4; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: 0.6rem 1.5rem;
  align-content: start; }
dt { color: var(--soft); font-size: 0.75rem; }
dd { white-space: nowrap; }
@media (max-width: 70rem) { article { grid-template-columns: minmax(0, 1fr); gap: 1rem; }
  .images { max-width: 48rem; } }
@media (max-width: 40rem) { tbody th a { display: block; max-width: 8rem; overflow: hidden; text-overflow: ellipsis; } }
@media print { @page { size: A4 landscape; margin: 12mm; } .tools, article a { display: none; }
  body { max-width: none; padding: 0; font-size: 9pt; } .pane { max-height: none; overflow: visible; border: 0; }
  table, thead button { font-size: 6pt; } th, td, thead button { padding: 1.5pt 2pt; } thead th { padding: 0; }
  thead th, .text, .words { white-space: normal; } .words { min-width: 7rem; }
  thead th, tbody th { position: static !important; } tr { break-inside: avoid; }
  article { content-visibility: visible; grid-template-columns: 9rem 24rem 1fr; gap: 1.5rem;
    padding: 0.75rem 0; } }
"""

SCRIPT = r"""
"use strict";
const table = document.querySelector("table"), body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
const rows = [...body.rows], strips = rows.map(row => document.getElementById(row.id.replace("row", "source")));
const plain = text => text.toLowerCase().replaceAll("\u2212", "-");
const texts = rows.map(row => plain([...row.cells].map(cell => cell.textContent).join(" ")));
const words = document.getElementById("words"), flagged = document.getElementById("flagged");
const collator = new Intl.Collator("en", {numeric: true});

function key(cell) {
  if ("none" in cell.dataset) return null;
  return "v" in cell.dataset ? Number(cell.dataset.v) : cell.textContent;
}

function sort(column) {
  const falling = heads[column].getAttribute("aria-sort") === "ascending";
  heads.forEach(head => head.removeAttribute("aria-sort"));
  heads[column].setAttribute("aria-sort", falling ? "descending" : "ascending");
  const keyed = rows.map(row => [key(row.cells[column]), row]);
  const compare = (a, b) => typeof a === "number" ? a - b || 0 : collator.compare(a, b);
  keyed.sort(([a], [b]) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return falling ? compare(b, a) : compare(a, b);
  });
  body.replaceChildren(...keyed.map(([, row]) => row));
}

function filter() {
  const asked = plain(words.value).split(/\s+/);
  let shown = 0;
  rows.forEach((row, i) => {
    row.hidden = !asked.every(word => texts[i].includes(word)) || flagged.checked && !row.matches(".flagged");
    strips[i].hidden = row.hidden;
    shown += !row.hidden;
  });
  document.getElementById("shown").textContent = `${shown} of ${rows.length} shown`;
}

heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => sort(column)));
words.addEventListener("input", filter);
flagged.addEventListener("input", filter);
document.querySelector(".tools").hidden = false;
filter();
"""
