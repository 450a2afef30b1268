"""How the page of `gateway.cli.redaction_page` looks: on a screen by day and by night, narrow, and on paper."""

from typing import Final

STYLE: Final = """
:root {
  color-scheme: light dark;
  --paper: #fbfaf8; --card: #fff; --ink: #23262b; --soft: #666b73; --line: #e6e3dd; --shade: #f4f2ee; --tip: #23262b;
  --people: 292 60% 45%; --contact: 213 75% 45%; --money: 158 65% 30%; --secrets: 2 70% 48%; --traces: 36 85% 38%;
  --identifiers: 190 75% 32%; --wash: .13;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #16181c; --card: #1d2025; --ink: #e4e4e1; --soft: #9a9fa8; --line: #30343b; --shade: #22252b;
    --tip: #343942; --people: 292 65% 74%; --contact: 213 85% 72%; --money: 158 50% 58%; --secrets: 2 85% 72%;
    --traces: 40 85% 63%; --identifiers: 187 60% 58%; --wash: .2;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.6 system-ui, sans-serif; }
header, main, footer { max-width: 84rem; margin: 0 auto; padding: 0 2rem; }
header { padding-top: 2.75rem; }
h1 { font-size: 1.55rem; line-height: 1.25; font-weight: 640; letter-spacing: -.015em; margin: 0 0 .25rem;
  overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; font-weight: 640; margin: 3rem 0 .75rem; }
p { margin: .25rem 0; max-width: 52rem; }
.about, .note, footer { color: var(--soft); }
.note { border-left: 3px solid hsl(var(--traces)); padding-left: .75rem; margin: 1rem 0 0; font-size: .9rem; }
.legend { list-style: none; margin: 1.5rem 0 0; padding: 0; display: flex; flex-wrap: wrap; gap: .5rem; }
.legend li { display: inline-flex; align-items: baseline; gap: .45rem; padding: .2rem .7rem; border-radius: 99px;
  background: hsl(var(--hue) / var(--wash)); font-size: .86rem; }
.legend b { font-weight: 640; color: hsl(var(--hue)); font-variant-numeric: tabular-nums; }
table { width: 100%; border-collapse: collapse; background: var(--card); border: 1px solid var(--line); }
th { text-align: left; font-size: .8rem; font-weight: 600; color: var(--soft); background: var(--shade);
  padding: .55rem 1rem; border-bottom: 1px solid var(--line); }
td, tbody th { padding: .75rem 1rem; vertical-align: top; border-bottom: 1px solid var(--line);
  overflow-wrap: anywhere; }
tbody tr:last-child > * { border-bottom: 0; }
tbody th { background: none; font-weight: 400; font-variant-numeric: tabular-nums; white-space: nowrap; }
.beside { table-layout: fixed; margin-top: 2rem; }
.beside thead th { position: sticky; top: 0; z-index: 1; }
.beside td { white-space: pre-wrap; }
.beside td + td { border-left: 1px solid var(--line); }
.beside .place { width: 5rem; }
.people { --hue: var(--people); } .contact { --hue: var(--contact); } .money { --hue: var(--money); }
.secrets { --hue: var(--secrets); } .traces { --hue: var(--traces); } .identifiers { --hue: var(--identifiers); }
.v { position: relative; color: inherit; text-decoration: none; padding: .08em .18em; border-radius: 3px;
  background: hsl(var(--hue) / var(--wash)); box-shadow: inset 0 -2px 0 hsl(var(--hue) / .55);
  -webkit-box-decoration-break: clone; box-decoration-break: clone; }
a.v::after { content: attr(data-n); font-size: .66em; vertical-align: super; line-height: 0; padding-left: .2em;
  color: hsl(var(--hue)); }
a.v:hover::before, a.v:focus-visible::before { content: attr(data-why); position: absolute; left: 0; top: 1.65em;
  z-index: 2; width: max-content; max-width: 24rem; padding: .5rem .75rem; border-radius: 6px; background: var(--tip);
  color: #f4f4f2; font-size: .82rem; line-height: 1.45; white-space: pre-line;
  box-shadow: 0 6px 24px rgb(0 0 0 / .22); }
a:focus-visible { outline: 2px solid hsl(var(--contact)); outline-offset: 2px; }
.p { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .82em; padding: .15em .25em .25em; }
.p b { font-weight: 640; color: hsl(var(--hue)); }
.p i { font-style: normal; color: var(--soft); }
.reasons td { padding: .5rem 1rem; overflow-wrap: break-word; }
.reasons .value { overflow-wrap: anywhere; min-width: 7rem; }
.reasons .number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.reasons tr:target > * { background: hsl(var(--traces) / var(--wash)); }
.reasons a { color: hsl(var(--contact)); }
.reasons .more > * { border-bottom-color: transparent; }
footer { padding-top: 1.5rem; padding-bottom: 3rem; font-size: .85rem; }
@media (max-width: 46rem) {
  header, main, footer { padding-left: 1rem; padding-right: 1rem; }
  .beside, .beside tbody, .beside tr, .beside td, .beside tbody th { display: block; width: auto; }
  .beside thead { position: absolute; clip-path: inset(50%); }
  .beside tbody th { border: 0; padding-bottom: 0; }
  .beside td:first-of-type { border-bottom-style: dashed; }
  .beside td + td { border-left: 0; }
  .scroll { overflow-x: auto; }
}
@media print {
  :root { --paper: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #ccc; --shade: #fff;
    --people: 292 60% 35%; --contact: 213 75% 35%; --money: 158 65% 25%; --secrets: 2 70% 40%; --traces: 36 85% 30%;
    --identifiers: 190 75% 26%; --wash: .1; }
  body { font-size: 9.5pt; }
  header, main, footer { max-width: none; padding: 0; }
  .v { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .beside thead th { position: static; }
  tr { break-inside: avoid; }
  .reasons { font-size: 8pt; }
  .reasons td, .reasons th { padding: .3rem .5rem; }
}
"""
