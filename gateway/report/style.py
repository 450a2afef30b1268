"""How a report looks: on a screen by day and by night, narrow, and on paper. The same colours dress a picture alone."""

from typing import Final

from gateway.report import chart

_LIGHT: Final = """
  --paper: #fbfaf8; --card: #fff; --ink: #23262b; --soft: #5f656e; --line: #e6e3dd; --shade: #f4f2ee;
  --held: #2563a8; --lacked: #c2570c; --band: #cfdff0; --then: #c3c7cd; --limit: #a3241c; --good: #1d7a46;
  --fair: #8a5a00;
"""
_DARK: Final = """
  --paper: #16181c; --card: #1d2025; --ink: #e4e4e1; --soft: #a2a7b0; --line: #30343b; --shade: #22252b;
  --held: #6fb0f2; --lacked: #f0934a; --band: #2c4766; --then: #565c66; --limit: #ff8a80; --good: #5fcf8f;
  --fair: #e0b050;
"""
_PRINT: Final = """
  --paper: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #ccc; --shade: #fff;
  --held: #2563a8; --lacked: #c2570c; --band: #cfdff0; --then: #c3c7cd; --limit: #a3241c; --good: #1d7a46;
  --fair: #8a5a00;
"""

PICTURE: Final = (
    f"svg {{ {_LIGHT} }}\n@media (prefers-color-scheme: dark) {{ svg {{ {_DARK} }} }}\n{chart.STYLE}"
    ".c-paper { fill: var(--paper); } .c-card { fill: var(--card); stroke: var(--line); }\n"
    ".c-head { font: 640 21px system-ui, sans-serif; fill: var(--ink); }\n"
    ".c-sub { font-weight: 640; font-size: 14px; fill: var(--ink); }\n"
)

STYLE: Final = f"""
:root {{ color-scheme: light dark; {_LIGHT} }}
@media (prefers-color-scheme: dark) {{ :root {{ {_DARK} }} }}
{chart.STYLE}
* {{ box-sizing: border-box; }}
body {{ margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.6 system-ui, sans-serif; }}
header, main, footer {{ max-width: 76rem; margin: 0 auto; padding: 0 2rem; }}
header {{ padding-top: 2.75rem; }}
h1 {{ font-size: 1.55rem; line-height: 1.25; font-weight: 640; letter-spacing: -.015em; margin: 0;
  overflow-wrap: anywhere; }}
h2 {{ font-size: 1.05rem; font-weight: 640; margin: 0 0 .25rem; }}
p {{ margin: .25rem 0; max-width: 54rem; overflow-wrap: anywhere; }}
.made, footer {{ color: var(--soft); font-size: .88rem; }}
.status {{ display: inline-block; margin: .9rem 0 .35rem; padding: .12rem .8rem; border-radius: 99px; font-weight: 640;
  border: 1.5px solid currentColor; color: var(--limit); }}
.certified {{ color: var(--good); }} .calibrated, .provisional {{ color: var(--fair); }}
.missing {{ margin: .35rem 0; padding-left: 1.25rem; max-width: 54rem; }}
.missing li {{ overflow-wrap: anywhere; }}
.promise {{ border-left: 3px solid var(--good); padding-left: .8rem; margin: 1rem 0 0; }}
.lapsed {{ border-color: var(--limit); }}
.tiles {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: .75rem; margin: 1.75rem 0 0;
  padding: 0; list-style: none; }}
.tiles li {{ background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .7rem 1rem .8rem; }}
.tiles span {{ display: block; color: var(--soft); font-size: .84rem; line-height: 1.4; }}
.tiles b {{ display: block; font-size: 1.5rem; line-height: 1.4; font-weight: 640;
  font-variant-numeric: tabular-nums; }}
section {{ margin-top: 1.25rem; padding: 1.25rem 1.5rem 1.5rem; background: var(--card);
  border: 1px solid var(--line); border-radius: 8px; }}
.pair {{ display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 1.75rem; align-items: start;
  margin-top: .75rem; }}
.pair svg {{ display: block; width: 100%; height: auto; }}
.reading {{ color: var(--soft); }}
.scroll {{ overflow-x: auto; }} .scroll + .scroll {{ margin-top: 1.25rem; }}
.reading + .scroll {{ margin-top: .75rem; }}
table {{ width: 100%; border-collapse: collapse; font-size: .86rem; line-height: 1.4; }}
caption {{ position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }}
th {{ text-align: left; font-weight: 600; }}
thead th {{ color: var(--soft); background: var(--shade); font-size: .8rem; vertical-align: bottom; }}
td, th {{ padding: .28rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }}
tbody tr:last-child > * {{ border-bottom: 0; }}
tbody th {{ font-weight: 400; }}
.number {{ text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }}
thead .number {{ white-space: normal; }}
.figures tbody th {{ font-weight: 600; min-width: 9rem; }} .figures .says {{ color: var(--soft); min-width: 14rem; }}
.scroll:focus-visible {{ outline: 2px solid var(--held); outline-offset: 2px; }}
footer {{ padding-top: 1.5rem; padding-bottom: 3rem; }}
@media (max-width: 52rem) {{ .pair {{ grid-template-columns: minmax(0, 1fr); }} }}
@media (max-width: 40rem) {{
  header, main, footer {{ padding-left: .9rem; padding-right: .9rem; }}
  header {{ padding-top: 1.5rem; }}
  section {{ padding: 1rem .9rem; }}
  .tiles {{ grid-template-columns: 1fr 1fr; }} .tiles li {{ padding: .6rem .7rem; }} .tiles b {{ font-size: 1.25rem; }}
  table {{ font-size: .78rem; }} td, th {{ padding: .28rem .22rem; }} thead th {{ font-size: .74rem; }}
  .c-text {{ font-size: 14px; }}
  .figures tr {{ display: grid; grid-template-columns: 1fr auto auto; border-bottom: 1px solid var(--line); }}
  .figures td, .figures th {{ border: 0; }} .figures .says {{ grid-column: 1 / -1; }}
  .figures thead .says {{ display: none; }}
}}
@media print {{
  :root {{ color-scheme: light; {_PRINT} }}
  body {{ font-size: 9.5pt; }}
  header, main, footer {{ max-width: none; padding: 0; }}
  section {{ break-inside: avoid; border: 0; padding: 0; margin-top: 1.5rem; }}
  .pair {{ grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); }}
  .tiles {{ grid-template-columns: repeat(4, 1fr); }}
  .scroll {{ overflow: visible; }} table, thead th {{ font-size: 7.5pt; }} td, th {{ padding: .18rem .25rem; }}
  svg, .status {{ print-color-adjust: exact; -webkit-print-color-adjust: exact; }}
}}
"""
