// The page Transactions.

import { $, el, post } from "./dom.js";
import * as format from "./format.js";

const examples = {
  "Move money": "# Both or none, and nobody sees one without the other.\nDECRBY account:alice 10\nINCRBY account:bob 10\nMGET account:alice account:bob",
  "A job queue": "LPUSH jobs \"resize image 7\"\nLPUSH jobs \"resize image 8\"\nRPOPLPUSH jobs jobs:running\nLRANGE jobs 0 -1\nLRANGE jobs:running 0 -1",
  "A leaderboard": "ZADD scores 120 ada 95 grace 143 barbara\nZINCRBY scores 30 grace\nZREVRANGE scores 0 2 WITHSCORES",
  "A script": "EVAL \"local n = redis.call('INCR', KEYS[1]) return {n, n * n}\" 1 counter",
};

export function initRun() {
  const lines = $("run-lines");
  lines.value = sessionStorage.getItem("lines") ?? examples["Move money"];
  lines.addEventListener("input", () => sessionStorage.setItem("lines", lines.value));
  lines.addEventListener("keydown", (e) => {
    if (e.key !== "Enter" || !(e.ctrlKey || e.metaKey)) return;
    e.preventDefault();
    $("run-form").requestSubmit();
  });
  const choice = $("run-example");
  choice.append(...Object.keys(examples).map((name) => el("option", {}, name)));
  choice.addEventListener("change", () => {
    if (!choice.value) return;
    lines.value = examples[choice.value];
    choice.value = "";
    lines.focus();
  });
  $("run-form").addEventListener("submit", (e) => {
    e.preventDefault();
    run(new FormData(e.currentTarget));
  });
}

async function run(form) {
  const view = $("run-result");
  view.setAttribute("aria-busy", "true");
  const transaction = form.get("how") === "transaction";
  try {
    const answer = await post("api/run", { lines: form.get("lines"), db: Number(form.get("db")), transaction });
    const replies = answer.ran.map((r) => el("div", { class: "reply" }, el("code", { class: "line" }, r.line), el("pre", { class: "mono" }, ...written(r.reply, ""))));
    view.replaceChildren(el("p", { class: "outcome" }, outcome(answer, transaction), el("span", {}, format.time(answer.micros))), ...replies);
  } catch (e) {
    view.replaceChildren(el("p", { class: "wrong" }, e.message));
  }
  view.removeAttribute("aria-busy");
}

function outcome(answer, transaction) {
  if (answer.failure) return el("b", { class: "wrong" }, answer.failure);
  if (!transaction) return el("b", { class: "good" }, "All replies are released.");
  if (answer.outcome === "done") return el("b", { class: "good" }, "Executed as one transaction, and released.");
  return el("b", { class: "wrong" }, answer.outcome === "nothing" ? "A watched key has changed: nothing was done." : answer.outcome);
}

/** A reply as redis-cli writes it. */
function written(reply, indent) {
  const word = (value) => [el("span", { class: reply.kind }, value)];
  switch (reply.kind) {
    case "null": return word("(nil)");
    case "error": return word(`(error) ${reply.text}`);
    case "integer": return word(`(integer) ${reply.text}`);
    case "number": return word(`(double) ${reply.text}`);
    case "status": return word(reply.text ?? "");
    case "string": return word(JSON.stringify(reply.text ?? ""));
  }
  const items = reply.items ?? [];
  if (!items.length) return [el("span", { class: "null" }, "(empty)")];
  return items.flatMap((item, i) => {
    const label = `${i + 1}) `;
    return [i ? `\n${indent}` : "", label, ...written(item, indent + " ".repeat(label.length))];
  });
}
