// Puts the page together: pages, login, colours, shortcuts.

import { $, ask, post, text } from "./dom.js";
import { drawAll } from "./chart.js";
import { Feed } from "./feed.js";
import * as format from "./format.js";
import { initKeys, openKeys } from "./keys.js";
import { initLive } from "./live.js";
import { initRun } from "./run.js";

const feed = new Feed();
const pages = ["live", "keys", "run"];

function showPage() {
  const name = pages.find((p) => location.hash === `#${p}`) ?? (location.hash === "" ? "live" : null);
  if (!name) return; // a link within the page
  for (const p of pages) $(`page-${p}`).hidden = p !== name;
  for (const a of document.querySelectorAll("nav a")) {
    if (a.dataset.page === name) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  }
  if (name === "keys") openKeys();
  if (name === "live") drawAll();
}

function link(state, words) {
  $("link").className = `link ${state}`;
  text($("link-text"), words);
}

function initLink() {
  let last = null;
  feed.addEventListener("history", () => link("on", "Live"));
  feed.addEventListener("sample", ({ detail }) => {
    last = detail.node;
    link("on", "Live");
    document.title = `${format.rate(detail.point.released)} · ${last.node ? `node ${last.node}` : "Godwit"}`;
  });
  feed.addEventListener("lost", () => {
    link("off", "Connection lost, trying again");
    document.title = "Connection lost · Godwit";
  });
  feed.addEventListener("refused", ({ detail }) => {
    link("off", "Refused");
    $("trouble").hidden = false;
    text($("trouble"), detail);
  });
}

function initLogin() {
  window.addEventListener("login", () => {
    feed.close();
    link("off", "Not logged in");
    if (!$("login").open) $("login").showModal();
  });
  $("login").addEventListener("cancel", (e) => e.preventDefault()); // there is nothing behind it
  $("login-form").addEventListener("submit", async (e) => {
    e.preventDefault();
    const form = e.currentTarget;
    try {
      const response = await fetch("api/login", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(Object.fromEntries(new FormData(form))) });
      if (!response.ok) throw new Error((await response.json()).error);
      form.reset();
      text($("login-wrong"), "");
      $("login").close();
      begin();
    } catch (error) {
      text($("login-wrong"), error.message);
      form.elements.password.select();
    }
  });
  $("logout").addEventListener("click", async () => {
    await post("api/logout", {});
    location.reload();
  });
}

const themes = { system: "as the system", light: "light", dark: "dark" };

function initTheme() {
  const root = document.documentElement;
  const label = () => $("theme").setAttribute("aria-label", `Colours: ${themes[root.dataset.theme]}`);
  $("theme").addEventListener("click", () => {
    const names = Object.keys(themes);
    root.dataset.theme = names[(names.indexOf(root.dataset.theme) + 1) % names.length];
    localStorage.setItem("theme", root.dataset.theme);
    label();
  });
  label();
}

function initShortcuts() {
  const on = $("shortcuts-on");
  on.checked = localStorage.getItem("shortcuts") !== "off";
  on.addEventListener("change", () => localStorage.setItem("shortcuts", on.checked ? "on" : "off"));
  $("help").addEventListener("click", () => $("shortcuts").showModal());
  const go = (name) => () => (location.hash = name);
  const actions = {
    1: go("live"), 2: go("keys"), 3: go("run"),
    "/": () => {
      location.hash = "keys";
      showPage();
      $("keys-form").elements.match.focus();
    },
    p: () => $("pause").click(),
    t: () => $("theme").click(),
    "?": () => $("help").click(),
  };
  document.addEventListener("keydown", (e) => {
    if (!on.checked || e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, textarea, select, dialog")) return;
    const action = actions[e.key.toLowerCase()];
    if (!action) return;
    e.preventDefault();
    action();
  });
}

/** Opens the stream once it is known who looks. */
async function begin() {
  feed.open();
  try {
    const { user } = await ask("api/session");
    $("logout").hidden = !user;
    if (user) $("logout").setAttribute("aria-label", `Log out ${user}`);
  } catch {
    // the stream says what is wrong
  }
}

initLink();
initLogin();
initTheme();
initShortcuts();
initLive(feed);
initKeys();
initRun();
window.addEventListener("hashchange", showPage);
showPage();
begin();
