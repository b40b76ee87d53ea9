"""The look of the HTML report: light or dark as the reader's system is, from a phone's width upwards."""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #fff; --ink: #1b1f27; --soft: #5b6472; --line: #dde1e7; --code: #f0f2f5;
  --red: #b3261e; --amber: #8a5a00; --blue: #1f5fa8; --green: #19703a;
  --red-soft: #fdecea; --green-soft: #e8f5ec;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14171c; --card: #1c2027; --ink: #e7eaf0; --soft: #9aa4b2; --line: #323945; --code: #12151a;
    --red: #ff8a80; --amber: #f0bd5a; --blue: #8cbcff; --green: #7fd69b;
    --red-soft: #3a1f1f; --green-soft: #18301f;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1.25rem 1rem 4rem; }
h1 { margin: 0; font-size: 1.6rem; line-height: 1.25; }
h2 { margin: 2.5rem 0 .75rem; font-size: 1.2rem; }
h3 { margin: 1.5rem 0 .5rem; font-size: 1rem; font-weight: 500; color: var(--soft); }
h4 { margin: 0; font-size: 1.05rem; }
p { margin: .5rem 0; }
code, pre { font: .85rem/1.5 ui-monospace, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
pre { margin: .5rem 0; padding: .6rem .75rem; background: var(--code); border-radius: .4rem; white-space: pre-wrap; }
header { padding: 1.1rem 1.25rem; background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
  border-left: .4rem solid var(--amber); }
header.kept { border-left-color: var(--green); }
header.broken { border-left-color: var(--red); }
header p { margin-bottom: 0; color: var(--soft); }
.kicker { margin: 0; font-size: .85rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(6.5rem, 1fr)); gap: .6rem; margin: 1rem 0; }
.tiles div { padding: .6rem .8rem; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; }
.tiles dd { margin: 0; font-size: 1.5rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.tiles dt { color: var(--soft); font-size: .85rem; }
.tiles .breaking dd { color: var(--red); }
.tiles .drift dd { color: var(--amber); }
.tiles .advice dd { color: var(--blue); }
.notes { margin: 1rem 0; padding: .7rem 1rem .7rem 2rem; background: var(--card); border: 1px solid var(--line);
  border-radius: .5rem; }
.badge { padding: .1rem .5rem; border: 1px solid; border-radius: 1rem; font-size: .8rem; font-weight: 600; }
.badge.breaking { color: var(--red); }
.badge.drift { color: var(--amber); }
.badge.advice { color: var(--blue); }
article { margin: .75rem 0; padding: .9rem 1.1rem; background: var(--card); border: 1px solid var(--line);
  border-left: .3rem solid var(--blue); border-radius: .5rem; }
article.breaking { border-left-color: var(--red); }
article.drift { border-left-color: var(--amber); }
.meta { margin: .2rem 0 .6rem; color: var(--soft); font-size: .9rem; }
.diff { padding: 0; overflow: hidden; }
.diff del, .diff ins { display: block; padding: .25rem .75rem; text-decoration: none; }
.diff del { background: var(--red-soft); color: var(--red); }
.diff ins { background: var(--green-soft); color: var(--green); }
.fails { color: var(--red); font-weight: 600; }
summary { padding: .2rem 0; cursor: pointer; overflow-wrap: anywhere; }
.kinds { columns: 17rem; column-gap: .75rem; }
.kinds section { break-inside: avoid; margin-bottom: .75rem; }
.kinds section { padding: .25rem 1rem .75rem; background: var(--card); border: 1px solid var(--line);
  border-radius: .5rem; }
.kinds h3 { margin: .6rem 0; color: var(--ink); font-weight: 600; }
small { color: var(--soft); font-weight: 400; }
table { width: 100%; border-collapse: collapse; font-size: .85rem; }
th, td { padding: .25rem 0; border-top: 1px solid var(--line); text-align: left; font-weight: 400;
  overflow-wrap: anywhere; }
td { padding-left: .75rem; text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.missing th, .missing td { color: var(--soft); }
.exchanges details { padding: .25rem .75rem; background: var(--card); border-bottom: 1px solid var(--line); }
.exchanges b { display: inline-block; min-width: 2.6rem; font-variant-numeric: tabular-nums; }
.s2 { color: var(--green); }
.s3, .s4 { color: var(--amber); }
.s0, .s1, .s5 { color: var(--red); }
"""
