// Making elements. Text is always text: nothing from the server becomes markup.

export const $ = (id) => document.getElementById(id);

/** An element with attributes and children; a child that is no node is text. */
export function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same for SVG. */
export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function fill(e, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) e.addEventListener(key.slice(2), value);
    else if (value === true) e.setAttribute(key, "");
    else if (value !== false && value != null) e.setAttribute(key, value);
  }
  e.append(...children);
  return e;
}

/** Sets a text if it is another: what did not change is not painted, nor read out, again. */
export function text(e, value) {
  if (e.textContent !== value) e.textContent = value;
}

/** A question to the node. Errors are sentences; one with status 401 asks for a login. */
export async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The node does not answer.");
  }
  const answer = await response.json().catch(() => ({ error: `The node answered with ${response.status}.` }));
  if (!response.ok) {
    if (response.status === 401) window.dispatchEvent(new Event("login"));
    throw Object.assign(new Error(answer.error), { status: response.status });
  }
  return answer;
}

export const post = (path, body) => ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
