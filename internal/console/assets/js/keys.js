// The page Keys.

import { $, ask, el, text } from "./dom.js";
import * as format from "./format.js";

let query = new URLSearchParams();
let cursor = "0";
let shown = 0;

export const kindName = (type) => (type === "zset" ? "sorted set" : type);
const ttl = (ms) => (ms < 0 ? "" : format.duration(Math.ceil(ms / 1000)));

export function initKeys() {
  $("keys-form").addEventListener("submit", (e) => {
    e.preventDefault();
    search();
  });
  $("keys-form").addEventListener("change", (e) => e.target.name === "match" || search());
  $("keys-more").addEventListener("click", () => more());
  $("key-list").addEventListener("keydown", (e) => {
    const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[e.key];
    const next = step && e.target.closest("li")?.[step];
    if (!next) return;
    e.preventDefault();
    next.firstElementChild.focus();
    next.firstElementChild.click();
  });
}

/** The page is shown: the first time, all keys. */
export function openKeys() {
  if (shown === 0) search();
}

async function search() {
  query = new URLSearchParams(new FormData($("keys-form")));
  cursor = "0";
  shown = 0;
  $("key-list").replaceChildren();
  $("keys-empty").hidden = true;
  await more();
}

async function more() {
  const asked = query;
  try {
    const page = await ask(`api/keys?${asked}&cursor=${cursor}`);
    if (asked !== query) return; // another search has begun
    cursor = page.cursor;
    shown += page.keys.length;
    $("key-list").append(...page.keys.map((k) => el("li", {}, el("button", { type: "button", onclick: (e) => open(e.currentTarget, k, asked.get("db")) },
      el("span", { class: "name mono", title: k.name }, k.name || "(empty)"), el("span", { class: "about" }, kindName(k.type) + (k.ttl < 0 ? "" : `, ${ttl(k.ttl)}`))))));
    const done = cursor === "0";
    $("keys-more").hidden = done;
    $("keys-empty").hidden = !done || shown > 0;
    text($("keys-count"), `${format.count(shown)} shown${done ? "" : " so far"}, ${format.count(page.size)} in the database`);
  } catch (e) {
    text($("keys-count"), e.message);
  }
}

async function open(button, key, db) {
  $("key-list").querySelector("[aria-current]")?.removeAttribute("aria-current");
  button.setAttribute("aria-current", "true");
  const view = $("key-view");
  const load = (from) => ask(`api/key?${new URLSearchParams({ key: key.key, db, from })}`);
  try {
    const v = await load("0");
    if (!button.hasAttribute("aria-current")) return; // another was chosen
    const fact = (name, value) => el("span", {}, `${name} `, el("b", {}, value));
    const facts = [fact("Type", kindName(v.type)), fact(v.type === "string" ? "Length" : "Elements", v.type === "string" ? format.bytes(v.length) : format.count(v.length)),
      fact("Encoding", v.encoding), fact("Expires", v.ttl < 0 ? "never" : `in ${ttl(v.ttl)}`)];
    view.replaceChildren(el("h3", { class: "mono" }, v.name || "(empty)"), el("div", { class: "facts" }, ...facts), ...body(v, load));
  } catch (e) {
    view.replaceChildren(el("p", { class: "wrong" }, e.message));
  }
}

/** A value, and a button for more of it. */
function body(v, load) {
  let put;
  let container;
  if (v.type === "string") {
    container = el("pre", { class: "mono" });
    put = (rows) => container.append(...rows.flat());
  } else {
    const heads = { hash: ["Field", "Value"], zset: ["Member", "Score"], list: ["Place", "Element"], set: ["Member"] }[v.type] ?? ["Value"];
    const rows = el("tbody");
    let place = 0;
    container = el("table", {}, el("thead", {}, el("tr", {}, ...heads.map((h) => el("th", { scope: "col" }, h)))), rows);
    put = (list) => rows.append(...list.map((r) => el("tr", {}, ...(v.type === "list" ? [String(place++), ...r] : r).map((c) => el("td", {}, c)))));
  }
  put(v.rows);
  let next = v.next;
  const button = el("button", { type: "button", class: "more", hidden: !next, onclick: async () => {
    try {
      const part = await load(next);
      put(part.rows);
      next = part.next;
      button.hidden = !next;
    } catch (e) {
      button.replaceWith(el("p", { class: "wrong" }, e.message));
    }
  } }, "More");
  return [container, button];
}
