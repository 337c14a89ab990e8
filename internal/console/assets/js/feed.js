// What the node sends, live. Listeners are called with "history", "sample" and "pulse" and their data.

import { ask } from "./dom.js";

const retry = 1000;

export class Feed extends EventTarget {
  points = [];
  events = [];
  #source;
  #heard = 0;

  constructor() {
    super();
    setInterval(() => this.#watch(), retry);
  }

  open() {
    this.#source?.close();
    const source = (this.#source = new EventSource("api/live"));
    source.addEventListener("history", (e) => {
      const h = JSON.parse(e.data);
      this.points = h.points;
      this.events = h.events;
      this.#tell("history", h);
    });
    source.addEventListener("sample", (e) => {
      const s = JSON.parse(e.data);
      this.points.push(s.point);
      if (this.points.length > 900) this.points.shift();
      if (s.event) this.events.push(s.event);
      this.#tell("sample", s);
    });
    source.addEventListener("pulse", (e) => this.#tell("pulse", JSON.parse(e.data)));
    source.addEventListener("error", () => {
      this.dispatchEvent(new Event("lost"));
      if (source.readyState === EventSource.CLOSED) this.#refused();
    });
  }

  close() {
    this.#source?.close();
    this.#source = undefined;
  }

  #tell(name, detail) {
    this.#heard = Date.now();
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  /** The stream was refused: because nobody is logged in, or the node has gone for a while. */
  async #refused() {
    this.close();
    try {
      await ask("api/session");
    } catch (e) {
      if (e.status === 401) return; // a login opens it again
      if (e.status === 403) return this.dispatchEvent(new CustomEvent("refused", { detail: e.message }));
    }
    setTimeout(() => this.#source ?? this.open(), retry);
  }

  /** A connection may end without anybody being told. */
  #watch() {
    if (this.#source?.readyState === EventSource.OPEN && Date.now() - this.#heard > 5 * retry && !document.hidden) {
      this.dispatchEvent(new Event("lost"));
      this.open();
    }
  }
}
