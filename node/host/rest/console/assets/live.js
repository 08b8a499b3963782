// What changes, as it happens. The watch goes on while other views are shown.
import * as api from "./api.js";
import { button, el, failed, replace } from "./dom.js";
import { bytesText, clock, count, shortID } from "./format.js";
import { Stream } from "./stream.js";

export const title = "Live";

const rowsMax = 500; // the oldest go.

let stream = null; // null: nothing is watched.
let target = "";
let rows = []; // newest first.
let seen = 0; // changes since the watch began.
let snapshot = null; // paths of a snapshot that is being sent.
let present = 0; // values at the last snapshot.
let resumed = 0;
let status = ["", "Nothing is watched."]; // its kind, and in words.
let problem = null;
let place = null; // the view; null: it is not shown.
let parts = {};

export function show(main, rest) {
  if (place === null) build(main);
  if (rest !== "" && stream === null) parts.target.value = api.decoded(rest) ?? "";
  draw();
}

export function leave() { place = null; }

// forget ends the watch, and drops what it has shown.
export function forget() {
  stop();
  rows = [];
  seen = 0;
}

function start() {
  stop();
  target = parts.target.value.replace(/^\/+/, "");
  rows = [];
  seen = present = resumed = 0;
  problem = null;
  status = ["", "Connecting…"];
  stream = new Stream(api.keyURL(target), { onEvent: take, onState: become });
  stream.run();
  draw();
}

function stop() {
  stream?.end();
  if (stream !== null) status = ["", "Stopped."];
  stream = null;
}

function become(state, why) {
  const what = target === "" ? "everything" : target;
  problem = null;
  if (state === "open") {
    if (stream?.token) resumed++;
    status = ["fine", `Watching ${what}${resumed > 0 ? `; resumed ${count(resumed, "time")}` : ""}.`];
  } else if (state === "cut") {
    status = ["warning", `The stream was cut at ${clock(new Date())}: it goes on where it was as soon as the node answers.`];
  } else {
    status = ["problem", "The node does not let this be watched."];
    problem = why;
    stream = null;
  }
  draw();
}

function take(event) {
  switch (event.event) {
    case "snapshot-begin":
      snapshot = 0;
      if (resumed > 0) rows.unshift({ at: new Date(), note: "The node cannot tell what changed meanwhile, and sent what is there now." });
      break;
    case "snapshot-end":
      present = snapshot ?? 0;
      snapshot = null;
      break;
    case "bookmark":
      return;
    default:
      if (snapshot !== null) {
        snapshot++;
        return;
      }
      seen++;
      rows.unshift({ at: new Date(), event });
      rows.length = Math.min(rows.length, rowsMax);
  }
  plan();
}

// plan draws with the next frame: many events may come at once.
let planned = false;
function plan() {
  if (planned) return;
  planned = true;
  requestAnimationFrame(() => {
    planned = false;
    draw();
  });
}

function build(main) {
  parts = {
    target: el("input", { type: "text", id: "target", placeholder: "everything", spellcheck: "false", autocapitalize: "off" }),
    toggle: el("button", { type: "submit", class: "primary" }),
    clear: button("Clear", () => {
      rows = [];
      draw();
    }),
    status: el("p", { role: "status" }),
    problem: el("div", {}),
    count: el("p", { class: "quiet" }),
    body: el("tbody", {}),
  };
  parts.target.value = target;
  const submit = (event) => {
    event.preventDefault();
    if (stream === null) {
      start();
      return;
    }
    stop();
    draw();
  };
  place = el("div", { class: "stack" },
    el("div", { class: "heading" }, el("h1", {}, "Live"),
      el("p", { class: "quiet" }, "Changes as this node makes them or learns of them.")),
    el("form", { class: "goto", on: { submit } }, el("label", { for: "target" }, "Directory or path"), parts.target,
      parts.toggle, parts.clear),
    parts.problem,
    el("section", { class: "card", "aria-label": "Changes" }, parts.status, parts.count,
      el("table", { class: "events" }, el("thead", {}, el("tr", {}, ["Time", "Change", "Path", "Value"].map((h) =>
        el("th", { scope: "col" }, h)))), parts.body)));
  main.replaceChildren(place);
}

function draw() {
  if (place === null) return;
  parts.toggle.textContent = stream === null ? "Watch" : "Stop";
  parts.target.disabled = stream !== null;
  parts.clear.hidden = rows.length === 0;
  const [kind, text] = status;
  if (parts.status.textContent !== text) replace(parts.status, el("span", { class: `mark ${kind}` }, text));
  replace(parts.problem, problem !== null && failed(problem));
  parts.count.textContent = stream === null && seen === 0 ? "" :
    `${count(present, "value")} at the beginning, ${count(seen, "change")} since` +
    (seen > rows.length ? `, the last ${rows.length} of them here.` : ".");
  replace(parts.body, rows.map((line) => line.row ??= rowOf(line)));
}

function rowOf({ at, event, note }) {
  if (note) return el("tr", {}, el("td", {}, clock(at)), el("td", { colspan: "3" }, note));
  const gone = event.event === "delete";
  return el("tr", {},
    el("td", {}, el("time", { datetime: at.toISOString() }, clock(at))),
    el("td", {}, el("span", { class: `mark ${gone ? "warning" : "fine"}` }, event.event)),
    el("td", { class: "path" }, el("a", { href: api.keyHash(event.path) }, event.path)),
    el("td", { class: "quiet" }, gone ? "" :
      [`${bytesText(event.bytes ?? 0)} `, el("code", {}, shortID(event.etag ?? ""))]));
}
