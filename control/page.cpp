// The live page at "/": one file, no outside resources, asks /status every second.
#include "control/routes.h"

namespace shunt::control {

const std::string_view live_page = R"page(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Shunt</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body { font: 14px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
h1 { font-size: 1.3rem } h2 { font-size: 1rem; margin-top: 1.5rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid #8884 }
th { font-weight: 600 } .bad { color: #b00020 } .good { color: #1b7a3d }
@media (prefers-color-scheme: dark) { body { background: #16181c; color: #dde } .bad { color: #ff8080 } .good { color: #7ad19a } }
</style></head><body>
<h1>Shunt <span id="state"></span></h1>
<p id="line"></p>
<p id="migration"></p>
<h2>Clusters</h2><table id="clusters"></table>
<h2>Topics</h2><table id="topics"></table>
<h2>Groups</h2><table id="groups"></table>
<script>
"use strict";
const show = v => v === null || v === undefined ? "–" : String(v);
function cell(row, tag, text) { const c = document.createElement(tag); c.textContent = show(text); row.append(c); }
function table(id, heads, rows) {
  const t = document.getElementById(id); t.replaceChildren();
  const head = t.insertRow(); heads.forEach(h => cell(head, "th", h));
  rows.forEach(r => { const row = t.insertRow(); r.forEach(v => cell(row, "td", v)); });
}
function state(text, good) {
  const s = document.getElementById("state"); s.textContent = text; s.className = good ? "good" : "bad";
}
async function turn() {
  try {
    const s = await (await fetch("/status", { cache: "no-store" })).json();
    state(s.ready ? "ready" : "not ready", s.ready);
    document.getElementById("line").textContent =
      "version " + s.version + ", up " + Math.round(s.uptime_ms / 1000) + " s, " + s.connections + " client connections";
    const m = s.migration;
    document.getElementById("migration").textContent = m === null ? "no migration" :
      "migration " + m.id + " (scheme " + m.scheme + ", " + m.topics.join(", ") + "): " + m.state +
      (m.step === null ? "" : ", step " + m.step) + (m.next === null ? "" : "; next: " + m.next);
    table("clusters", ["cluster", "id", "reachable", "brokers", "error"],
      Object.entries(s.clusters).map(([n, c]) => [n, c.cluster_id, c.reachable, c.brokers, c.error]));
    table("topics", ["topic", "partitions", "migration", "produce", "segments", "stragglers", "held at most"],
      s.topics.map(t => [t.topic, t.partitions, t.migration, t.produce, t.segments, t.stragglers,
        t.last_cut === null || t.last_cut.held_ms_max === null ? null : t.last_cut.held_ms_max + " ms"]));
    table("groups", ["group", "state", "members", "outside", "coordinator", "fetch", "lag"],
      s.groups.map(g => [g.group, g.state, g.members, g.members_outside, g.coordinator, g.fetch, g.lag]));
  } catch (e) { state("unreachable", false); }
  setTimeout(turn, 1000);
}
turn();
</script></body></html>
)page";

}  // namespace shunt::control
