// The page Live.

import { Chart, drawAll, view } from "./chart.js";
import { $, el, text } from "./dom.js";
import * as format from "./format.js";

let charts = [];
let paused = false;
let range = 300; // seconds that are shown, when there are so many

/** A number with a small unit behind it. */
function big(e, value) {
  if (e.dataset.value === value) return;
  e.dataset.value = value;
  const [n, unit = ""] = value.split(/(?<=\d) ?(?=[^\d.,])/);
  e.replaceChildren(n, ...(unit ? [el("small", {}, unit)] : []));
}

export function initLive(feed) {
  const chart = (id, options) => charts.push(new Chart($(id), options));
  chart("c-throughput", {
    title: "Throughput", format: format.rate, least: 10,
    series: [{ key: "released", label: "Released", color: "released", area: true }, { key: "executed", label: "Executed", color: "executed", dashed: true }, { key: "transactions", label: "Transactions that wrote", color: "extra" }],
  });
  chart("c-latency", {
    title: "Latency of released replies", format: format.time, log: true,
    series: [{ key: "r50", label: "p50", color: "released" }, { key: "r99", label: "p99", color: "durable" }, { key: "r999", label: "p99.9", color: "extra" }, { key: "e50", label: "executed p50", color: "executed", dashed: true }],
  });
  chart("c-flight", {
    title: "Executed, not yet released", format: format.short, least: 4,
    series: [{ key: "inFlight", label: "Requests in flight", color: "executed", area: true }],
  });
  chart("c-conflicts", {
    title: "Run again and refused", format: format.rate, least: 2,
    series: [{ key: "conflicts", label: "Conflicts", color: "executed" }, { key: "favoured", label: "Ran alone", color: "durable" }, { key: "errors", label: "Error replies", color: "bad" }],
  });
  chart("c-memory", {
    title: "Memory and disk", format: format.bytes, least: 1 << 20, binary: true,
    series: [{ key: "memUsed", label: "Memory", color: "released", area: true }, { key: "log", label: "Log", color: "durable" }, { key: "checkpoint", label: "Checkpoint", color: "extra" }],
  });

  feed.addEventListener("history", ({ detail }) => {
    showNode(detail.node);
    show(feed);
  });
  feed.addEventListener("sample", ({ detail }) => {
    showNode(detail.node);
    if (!paused) show(feed);
  });
  feed.addEventListener("pulse", ({ detail }) => {
    if (!paused && !matchMedia("(prefers-reduced-motion: reduce)").matches) showFlight(detail.inFlight);
  });
  $("range").addEventListener("change", (e) => {
    range = Number(e.target.value);
    show(feed);
  });
  $("pause").addEventListener("click", () => {
    paused = !paused;
    $("pause").setAttribute("aria-pressed", paused);
    text($("pause"), paused ? "Paused" : "Pause");
    if (!paused) show(feed);
  });
}

function showFlight(n) {
  text($("f-flight"), n > 0 ? `${format.short(n)} in flight` : "nothing in flight");
}

function show(feed) {
  const last = feed.points.at(-1);
  const first = feed.points[0]?.t ?? Date.now();
  view.events = feed.events.filter((e) => e.t > first); // before, nobody looked
  view.end = last?.t ?? Date.now();
  view.seconds = Math.min(range, Math.max(60, (view.end - first) / 1000));
  for (const c of charts) c.points = feed.points;
  drawAll();
  showEvents(feed.events);
  if (!last) return;
  big($("f-executed"), format.rate(last.executed));
  text($("f-executed-sub"), last.e50 > 0 ? `p50 ${format.time(last.e50)}, p99 ${format.time(last.e99)}` : "idle");
  big($("f-sync"), last.syncs > 0 || last.s50 > 0 ? format.time(last.s50) : "–");
  text($("f-sync-sub"), `a sync, p99 ${format.time(last.s99)}; ${format.rate(last.syncs)}`);
  text($("f-durable"), last.pending > 0 ? `${format.bytes(last.pending)} to write` : "log written");
  big($("f-released"), format.rate(last.released));
  text($("f-released-sub"), last.r50 > 0 ? `p50 ${format.time(last.r50)}, p99 ${format.time(last.r99)}` : "idle");
  showFlight(last.inFlight);
  showSpace(last);
}

function showNode(node) {
  text($("node-name"), node.node ? `node ${node.node}` : (node.address || "one node"));
  const role = $("node-role");
  role.hidden = false;
  text(role, node.epoch ? `${node.role}, epoch ${node.epoch}` : node.role);
  role.className = `badge ${node.role}`;
  const up = (Date.now() - Date.parse(node.started)) / 1000;
  text($("uptime"), `up for ${format.duration(up)}, watermark ${format.clock(Date.parse(node.watermark))}`);
  const trouble = $("trouble");
  trouble.hidden = node.trouble.length === 0;
  text(trouble, node.trouble.join(" "));
  showBars($("hot-list"), $("hot-empty"), node.hotKeys.slice(0, 8).map((k) => ({ name: k.db ? `${k.key} in ${k.db}` : k.key, size: k.perSecond, value: format.rate(k.perSecond) })));
  showBars($("error-list"), $("error-empty"), node.errors.map((e) => ({ name: e.name, size: e.count, value: format.count(e.count) })), "bad-c");
  showMembers(node);
}

function showBars(list, empty, items, color = "released-c") {
  empty.hidden = items.length > 0;
  const most = Math.max(...items.map((i) => i.size));
  list.replaceChildren(...items.map((i) => {
    const bar = el("li", { class: color }, el("span", { class: "name mono", title: i.name }, i.name), el("span", {}, i.value));
    bar.style.setProperty("--w", `${(100 * i.size) / most}%`);
    return bar;
  }));
}

function showMembers(node) {
  const members = node.members.length ? node.members : [{ node: node.node, address: node.address, alone: true }];
  const said = new Map((node.replicas ?? []).map((r) => [r.node, r]));
  $("node-list").replaceChildren(...members.map((m) => {
    const r = said.get(m.node);
    const role = r?.role || (m.alone ? "alone" : m.node === node.leader ? "leader" : m.learner ? "learner" : "follower");
    const here = m.alone || m.node === node.node;
    const first = [
      el("td", {}, m.node ? String(m.node) : "–", here ? el("span", { class: "muted" }, " this one") : ""),
      el("td", {}, el("span", { class: `badge ${r?.silent ? "silent" : role}` }, r?.silent ? "no answer" : role)),
    ];
    const figures = r?.silent ? [el("td", { colspan: 8, class: "error" }, r.silent)] : replicaFigures(r);
    return el("tr", {}, ...first, ...figures, el("td", { class: "mono" }, m.address || "–"));
  }));
}

/** What a node says of itself, if it has been asked. */
function replicaFigures(r) {
  const values = r ? [
    format.clock(Date.parse(r.watermark)), r.lag == null ? "–" : `${format.count(r.lag)} ms`, String(r.streams), format.bytes(r.pending),
    format.bytes(r.log), format.bytes(r.memUsed), format.count(r.records), format.count(r.clients),
  ] : Array(8).fill("–");
  return values.map((value) => el("td", { class: "figure" }, value));
}

function showEvents(events) {
  const list = $("event-list");
  $("leads").hidden = events.length === 0;
  if (list.dataset.last === String(events.at(-1)?.t)) return;
  list.dataset.last = String(events.at(-1)?.t);
  list.replaceChildren(...events.toReversed().map((e) => el("li", {}, el("time", {}, format.clock(e.t)), e.leader ? `node ${e.leader} leads, epoch ${e.epoch}` : `no leader is known, epoch ${e.epoch}`)));
}

function showSpace(p) {
  const share = p.memLimit ? ` of ${format.bytes(p.memLimit)}, ${((100 * p.memUsed) / p.memLimit).toFixed(0)} %` : "";
  const rows = [
    ["Connections", format.count(p.clients)],
    ["Records", format.count(p.keys)],
    ["Memory", format.bytes(p.memUsed) + share],
    ["of it, live", format.bytes(p.memLive)],
    ["Log on disk", format.bytes(p.log)],
    ["Checkpoint", format.bytes(p.checkpoint)],
  ];
  $("space-list").replaceChildren(...rows.flatMap(([k, v]) => [el("dt", {}, k), el("dd", {}, v)]));
}
