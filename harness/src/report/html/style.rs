//! How the page looks. Colours are of the Okabe-Ito palette, which people with any kind of
//! colour vision can tell apart; what failed is hatched as well, so it survives grey printing.

/// Patterns that the style sheet refers to.
pub const PATTERNS: &str = r##"
<svg width="0" height="0" style="position:absolute" aria-hidden="true"><defs>
<pattern id="hatch-failed" width="6" height="6" patternUnits="userSpaceOnUse"
  patternTransform="rotate(45)">
<rect width="6" height="6" class="failed-base"/><rect width="2" height="6" class="failed-line"/>
</pattern>
<pattern id="hatch-unknown" width="5" height="5" patternUnits="userSpaceOnUse">
<rect width="5" height="5" class="unknown-base"/><rect width="2" height="2" class="unknown-dot"/>
</pattern>
</defs></svg>
"##;

/// The style sheet.
pub const STYLE: &str = r#"
:root {
  --page: #fcfcfb; --card: #fff; --ink: #1c1e21; --soft: #5d646c; --line: #dfe2e5;
  --served: #4a9bd1; --strong: #0072b2; --failed: #d55e00; --failed-line: #ffd9bf;
  --unknown: #e69f00; --unknown-dot: #fff1cc; --process: #cc79a7; --network: #009e73;
  --pass-page: #e3f4ee; --pass-ink: #00614a; --fail-page: #fdeadd; --fail-ink: #a13f00;
  --unknown-page: #fdf3da; --unknown-ink: #7a5200;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14171a; --card: #1c2024; --ink: #e8eaec; --soft: #9aa3ab; --line: #343a40;
    --served: #2f7fb5; --strong: #8fd0f7; --failed: #d55e00; --failed-line: #5c2a05;
    --unknown: #e69f00; --unknown-dot: #6b4a00; --process: #cc79a7; --network: #00b787;
    --pass-page: #0c3329; --pass-ink: #6fe0bd; --fail-page: #43200c; --fail-ink: #ffb184;
    --unknown-page: #3d2d07; --unknown-ink: #ffcf66;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", "Noto Sans", sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 1rem; }
h1, h2, h3, p { margin: 0; }
h1 { font-size: 1.35rem; }
h2 { font-size: 1.1rem; margin-bottom: .5rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .3rem; }
h3 small, .legend { color: var(--soft); font-weight: 400; font-size: .8rem; }
section { margin-top: 1.8rem; }
.note { color: var(--soft); font-size: .85rem; margin: .2rem 0 .6rem; }
.banner { display: flex; gap: 1.2rem; align-items: center; padding: 1.1rem 1.3rem;
  border-radius: 10px; border-left: 8px solid currentColor; }
.banner h1, .banner .question { color: var(--ink); }
.banner .question { font-size: 1.05rem; }
.banner .meta { color: var(--soft); font-size: .85rem; margin-top: .2rem; }
.verdict { font-size: 1.9rem; font-weight: 800; text-transform: uppercase; white-space: nowrap; }
.banner.pass { background: var(--pass-page); color: var(--pass-ink); }
.banner.fail { background: var(--fail-page); color: var(--fail-ink); }
.banner.unknown { background: var(--unknown-page); color: var(--unknown-ink); }
.tiles { display: grid; gap: .8rem; margin-top: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(240px, 1fr)); }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: .8rem 1rem; }
.tile .of { color: var(--soft); }
.tile .value { font-size: 1.9rem; font-weight: 700; font-variant-numeric: tabular-nums; }
.missed { color: var(--fail-ink); font-weight: 700; }
.finding { border-left: 4px solid var(--line); padding: .25rem 0 .25rem .7rem; margin: .3rem 0; }
.finding.pass { border-color: var(--network); }
.finding.fail { border-color: var(--failed); }
.finding.unknown { border-color: var(--unknown); }
.evidence { margin: .3rem 0; padding-left: 1.2rem; overflow-wrap: anywhere;
  font: .82rem/1.5 ui-monospace, Menlo, Consolas, monospace; }
.tag { display: inline-block; padding: 0 .5em; margin-right: .5em; border-radius: 4px;
  font-size: .8rem; font-weight: 700; white-space: nowrap; }
.tag.pass { background: var(--pass-page); color: var(--pass-ink); }
.tag.fail { background: var(--fail-page); color: var(--fail-ink); }
.tag.unknown { background: var(--unknown-page); color: var(--unknown-ink); }
summary { cursor: pointer; }
summary h2 { display: inline-block; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .88rem;
  font-variant-numeric: tabular-nums; }
th, td { padding: .22rem .55rem; text-align: right; white-space: nowrap; vertical-align: top; }
th { font-weight: 600; }
thead th { color: var(--soft); font-weight: 500; border-bottom: 1px solid var(--line); }
.text { text-align: left; }
td.wide { white-space: normal; min-width: 14rem; }
tbody + tbody tr:first-child > * { border-top: 1px solid var(--line); }
tr.part > * { color: var(--soft); font-weight: 400; }
tr.part th { padding-left: 1.4rem; }
tr.whole > * { font-weight: 600; }
tr .missed { color: var(--fail-ink); font-weight: 700; }
.tile table { margin-top: .3rem; }
.tile th:first-child { padding-left: 0; color: var(--soft); font-weight: 400; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr));
  gap: .5rem 1.2rem; margin: 0; }
dt { color: var(--soft); font-size: .82rem; }
dd { margin: 0; font-variant-numeric: tabular-nums; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: .6rem .8rem; white-space: pre-wrap; overflow-wrap: anywhere; font-size: .88rem;
  margin: 0 0 .7rem; }
.time { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: .8rem 1.1rem .8rem .8rem; overflow: hidden; }
.row { display: grid; grid-template-columns: 4.6rem 1fr; column-gap: .45rem; }
.row + .row { margin-top: 3px; }
.legend { grid-column: 2; margin-top: .45rem; }
.legend b { color: var(--ink); }
.gutter { position: relative; text-align: right; color: var(--soft); font-size: .75rem;
  line-height: 1.25rem; }
.gutter.name { line-height: 11px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.mark { position: absolute; right: 0; transform: translateY(-50%); line-height: 1;
  white-space: nowrap; }
svg.plot, svg.strip { display: block; width: 100%; border-bottom: 1px solid var(--line); }
svg.strip { height: 11px; border: 0; padding: 1px 0; }
svg * { vector-effect: non-scaling-stroke; }
.grid { stroke: var(--line); stroke-width: 1; }
.lane { position: relative; height: 1.25rem; background: var(--page); border-radius: 3px; }
.lane > span { position: absolute; top: 0; height: 100%; font-size: .75rem;
  line-height: 1.25rem; white-space: nowrap; }
.bar { min-width: 4px; border-radius: 3px; opacity: .55; }
.label { padding: 0 .4em; overflow: hidden; text-overflow: ellipsis; }
.phase { overflow: hidden; padding-left: .4em; background: var(--line); color: var(--ink);
  border-left: 1px solid var(--card); }
.phase.calm { background: var(--pass-page); }
.phase.timeline { background: var(--page); }
.axis { position: relative; height: 1.3rem; }
.axis span { position: absolute; transform: translateX(-50%); font-size: .75rem;
  color: var(--soft); padding-top: 4px; line-height: 1; }
.axis span::before { content: ""; position: absolute; left: 50%; top: 0; height: 3px;
  border-left: 1px solid var(--soft); }
.band { opacity: .2; }
.edge { stroke-width: 1.5; pointer-events: none; }
.edge.on-process { stroke: var(--process); } .edge.on-network { stroke: var(--network); }
.on-process { fill: var(--process); background: var(--process); }
.on-network { fill: var(--network); background: var(--network); }
.hint { fill: transparent; }
.hint:hover { fill: var(--ink); opacity: .12; }
rect.served { fill: var(--served); }
rect.failed { fill: url(#hatch-failed); }
rect.unknown { fill: url(#hatch-unknown); }
.failed-base { fill: var(--failed); } .failed-line { fill: var(--failed-line); }
.unknown-base { fill: var(--unknown); } .unknown-dot { fill: var(--unknown-dot); }
path { fill: none; stroke-linejoin: round; }
path.raw { stroke: var(--ink); stroke-width: 1.2; stroke-dasharray: 3 2; }
path.p50 { stroke: var(--strong); stroke-width: 2.2; }
path.p99 { stroke: var(--failed); stroke-width: 1.4; }
path.longest { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 2 2; }
line.deadline { stroke: var(--ink); stroke-width: 1; stroke-dasharray: 7 4; }
.up { fill: var(--served); } .cut-off { fill: var(--process); }
.starting { fill: var(--line); } .paused { fill: url(#hatch-unknown); }
rect.down { fill: url(#hatch-failed); }
span.of { white-space: nowrap; }
.key { display: inline-block; width: 1em; height: .65em; margin: 0 .35em 0 .5em;
  border-radius: 2px; }
.key.served, .key.up { background: var(--served); }
.key.unknown, .key.paused { background: radial-gradient(var(--unknown-dot) 30%, transparent 32%)
  0 0 / 5px 5px, var(--unknown); }
.key.failed, .key.down { background: repeating-linear-gradient(45deg, var(--failed) 0 3px,
  var(--failed-line) 3px 5px); }
.key.cut-off { background: var(--process); }
.key.starting { background: var(--line); }
.key.on-process, .key.on-network { opacity: .55; }
.key.dashed, .key.p50, .key.p99, .key.longest, .key.deadline { height: 0; border-radius: 0;
  vertical-align: middle; width: 1.4em; }
.key.dashed { border-top: 2px dashed var(--ink); }
.key.p50 { border-top: 3px solid var(--strong); }
.key.p99 { border-top: 2px solid var(--failed); }
.key.longest { border-top: 2px dotted var(--soft); }
.key.deadline { border-top: 1px dashed var(--ink); }
@media (max-width: 640px) {
  main { padding: .6rem; }
  .banner { flex-direction: column; align-items: flex-start; gap: .4rem; }
  .time { padding: .6rem .7rem .6rem .4rem; }
  .row { grid-template-columns: 3.4rem 1fr; }
  .legend { grid-column: 1 / -1; }
  .axis .odd { display: none; }
  dl { grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); }
}
@media print { .time, .tile { break-inside: avoid-page; } }
"#;
