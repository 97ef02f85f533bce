#include <rill/optim/report/sections.hpp>

namespace rill::optim::report {
namespace {

// Shares of the matrix: blue where the model is right, orange where it is not; the shade follows the share.
constexpr const char* page_style = R"(:root { color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --text: #1b1f24; --soft: #57606a; --line: #d5dae0; --accent: #0a5c94;
  --axis: #767c83; --grid: #e4e7eb; --right: 0, 114, 178; --wrong: 213, 94, 0; --warn: #fff1e0;
  --c1: #0072b2; --c2: #c44e00; --c3: #00805d; --c4: #a8487e; --c5: #9c6c00; --c6: #333333; }
@media (prefers-color-scheme: dark) { :root {
  --page: #14171b; --card: #1d2126; --text: #e8eaed; --soft: #a8b0b9; --line: #3a4149; --accent: #7cc0f0;
  --axis: #8a929b; --grid: #30363d; --right: 40, 125, 185; --wrong: 190, 85, 10; --warn: #3a2a14;
  --c1: #5ab4ea; --c2: #f28c4b; --c3: #35c596; --c4: #e391c0; --c5: #e3b341; --c6: #dddddd; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 0 0 .8rem; }
h3 { font-size: 1rem; margin: 0 0 .3rem; overflow-wrap: anywhere; }
p { margin: 0 0 .8rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 1.1rem 1.2rem; margin: 1.2rem 0 0; }
.outcome { font-size: 1.05rem; color: var(--soft); overflow-wrap: anywhere; }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(10rem, 1fr)); gap: .7rem; margin: 1rem 0 0; }
.facts div { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .5rem .8rem; min-width: 0; }
dt { color: var(--soft); font-size: .85rem; overflow-wrap: anywhere; }
dd { margin: 0; font-size: 1.1rem; font-weight: 600; overflow-wrap: anywhere; }
dt, dd, th, td, li, p { unicode-bidi: isolate; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), 1fr)); gap: 1.4rem; margin-bottom: 1rem; }
figure { margin: 0; min-width: 0; max-width: 40rem; }
figure svg { display: block; width: 100%; height: auto; color: var(--text); }
figcaption, caption, .note, .remedy, small { color: var(--soft); font-size: .88rem; }
figcaption { overflow-wrap: anywhere; }
.scroll { overflow: auto; max-height: 34rem; max-width: 100%; margin-bottom: .6rem; }
.whole { max-height: none; }
.scroll:focus-visible, pre:focus-visible, summary:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .3rem; }
th, td { padding: .22rem .6rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { font-weight: 600; }
thead th { vertical-align: bottom; }
th.w, td.w { text-align: left; white-space: normal; overflow-wrap: break-word; max-width: 14rem; }
.matrix th, .matrix td { padding: .25rem .45rem; border: 1px solid var(--line); text-align: center; }
.matrix th.w { text-align: left; }
.matrix th.v span { writing-mode: vertical-rl; transform: rotate(180deg); max-height: 8rem; overflow: hidden; text-overflow: ellipsis; }
.pair { display: flex; flex-wrap: wrap; gap: 1.2rem 2rem; }
.pair div { min-width: 0; max-width: 100%; }
details { margin: .4rem 0; }
summary { cursor: pointer; color: var(--accent); margin-bottom: .5rem; }
details[open] caption { display: none; }
pre { overflow: auto; max-height: 40rem; margin: 0; font: .85rem/1.45 ui-monospace, monospace; }
.advice { margin: 0; padding-left: 1.2rem; }
.advice li { margin-bottom: .7rem; overflow-wrap: anywhere; }
.warning { background: var(--warn); border-left: 4px solid var(--c2); padding: .5rem .8rem; }
.mistakes { list-style: none; margin: 0; padding: 0; display: grid; grid-template-columns: repeat(auto-fill, minmax(8.2rem, 1fr)); gap: 1rem; }
.mistakes li { min-width: 0; overflow-wrap: anywhere; font-size: .88rem; line-height: 1.35; }
.mistakes img { display: block; width: 84px; height: 84px; object-fit: contain; image-rendering: pixelated; background: #000; border: 1px solid var(--line); }
.mistakes p { margin: .3rem 0 0; }
@media (max-width: 30rem) { main { padding: 1rem .5rem 2rem; } section { padding: .9rem .7rem; } }
)";

constexpr const char* print_style =
    R"(@media print { :root { --page: #ffffff; --card: #ffffff; --text: #000000; --soft: #444444; --line: #bbbbbb;
  --accent: #000000; --axis: #767c83; --grid: #e4e7eb; --right: 0, 114, 178; --wrong: 213, 94, 0;
  --c1: #0072b2; --c2: #c44e00; --c3: #00805d; --c4: #a8487e; --c5: #9c6c00; --c6: #333333; }
  body { font-size: 11pt; } main { max-width: none; padding: 0; }
  section { border: 0; padding: .5rem 0; } .scroll, pre { max-height: none; overflow: visible; }
  pre { white-space: pre-wrap; } figure, .mistakes li, tr { break-inside: avoid; } h2, h3 { break-after: avoid; }
  .matrix td { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
)";

}  // namespace

std::string style() {
  std::string out = page_style;
  for (int shade = 0; shade < 10; ++shade) {
    const std::string number = std::to_string(shade),
                      share = "0." + std::to_string(shade * 9 + 10).substr(0, 2);
    // White on the dark ones, the page's own colour on the others.
    const std::string text = shade >= 6 ? "; color: #ffffff" : "";
    out += ".r" + number + " { background: rgba(var(--right), " + share + ")" + text + "; }\n";
    out += ".x" + number + " { background: rgba(var(--wrong), " + share + "); }\n";
  }
  return out + print_style;
}

}  // namespace rill::optim::report
