// The cluster at a glance: what is wrong and what to do, the members, the voters, and whether all hold the same.
import * as api from "./api.js";
import { el, failed, loading, replace } from "./dom.js";
import { bytesText, clock, count, shortDuration, shortID } from "./format.js";

export const title = "Cluster";

const pollMillis = 4000;

let latest = null; // the last overview, as GET /cluster gave it,
let asked = null; // when,
let problem = null; // and why there is no newer one.
let place = null; // where the view is shown; null: it is not.
let timer = 0; // of the next question; 0: there is none.
let round = 0; // answers of former rounds are dropped.
let listener = () => {};

// onOverview calls l with each overview, and with null when it is forgotten.
export function onOverview(l) { listener = l; }

// start begins to ask for overviews, also while another view is shown.
export function start() {
  clearTimeout(timer);
  poll(++round);
}

// forget drops what is known, and asks no more.
export function forget() {
  clearTimeout(timer);
  timer = 0;
  round++;
  latest = null;
  asked = null;
  listener(null);
}

document.addEventListener("visibilitychange", () => { if (!document.hidden && timer !== 0) start(); });

async function poll(mine) {
  if (!document.hidden) {
    let doc = null, why = null;
    try {
      doc = await api.json("/cluster");
    } catch (e) {
      why = e;
    }
    if (mine !== round) return;
    problem = why;
    if (doc !== null) {
      latest = doc;
      asked = new Date();
      listener(latest);
    }
    if (why?.status === 401) {
      timer = 0;
      return;
    }
    draw();
  }
  timer = setTimeout(() => poll(mine), pollMillis);
}

export function show(main) {
  if (place !== null) return;
  place = el("div", { class: "stack" });
  main.replaceChildren(place);
  draw();
}

export function leave() { place = null; }

// consoleOf is the address of the console of another member.
const consoleOf = (member) => `${location.protocol}//${member.address}/ui`;

// elsewhere are links to the consoles of the other members.
export function elsewhere() {
  const others = (latest?.members ?? []).filter((m) => m.member.id !== latest.node && m.status);
  if (others.length === 0) return "";
  return ["Other members: ", others.map((m, i) => [i > 0 ? ", " : "",
    el("a", { href: consoleOf(m.member) }, m.member.name)])];
}

// selecting reports whether a person marks text in the view, which drawing anew would undo.
function selecting() {
  const selection = getSelection();
  return !selection.isCollapsed && place.contains(selection.anchorNode);
}

function draw() {
  if (place === null || selecting()) return;
  if (latest === null) {
    replace(place, el("h1", {}, "Cluster"), problem === null ? loading() : failed(problem));
    return;
  }
  const self = latest.members.find((m) => m.member.id === latest.node);
  replace(place,
    el("div", { class: "heading" }, el("h1", {}, `Cluster ${self.status.cluster}`),
      el("p", { class: "quiet" }, `as ${self.member.name} sees it at ${clock(asked)}`)),
    problem !== null && problem.status !== 0 && failed(problem),
    tiles(self.status), advice(), members(self.status));
}

function tiles(own) {
  const alive = latest.members.filter((m) => m.member.state === "alive").length;
  const voters = own.voters.voters ?? [];
  const majority = Math.floor(voters.length / 2) + 1;
  const up = voters.filter((v) => latest.members.some((m) => m.member.id === v.id && m.status)).length;
  const answered = latest.members.filter((m) => m.status);
  let queued = 0, queuedBytes = 0;
  for (const m of answered) {
    for (const p of m.status.peers) {
      queued += p.queue_entries;
      queuedBytes += p.queue_bytes;
    }
  }
  return el("dl", { class: "tiles" },
    tile("Members", `${alive} of ${latest.members.length} alive`, alive < latest.members.length && "problem",
      answered.length < latest.members.length ?
        `${count(latest.members.length - answered.length, "member")} did not answer` : "all answered"),
    tile("Voters", voters.length === 0 ? "none yet" : `${up} of ${voters.length} answer`,
      up < majority ? "problem" : up < voters.length && "warning",
      voters.length === 0 ? "the cluster is not founded" : `${majority} are a majority; epoch ${own.voters.epoch}`),
    tile("Data", latest.equal ? "equal" : "differs", !latest.equal && "warning",
      `${count(own.keys, "record")} here, digest ${shortID(own.digest)}`),
    tile("On their way", count(queued, "write"), false, queued === 0 ? "the queues are empty" : bytesText(queuedBytes)));
}

function tile(name, value, kind, detail) {
  return el("div", { class: `tile ${kind || ""}` }, el("dt", {}, name), el("dd", {}, el("strong", {}, value),
    el("span", { class: "quiet" }, detail)));
}

const order = { problem: 0, warning: 1 };

// advice is what is wrong, in the words of kvs doctor.
function advice() {
  const found = latest.findings.filter((f) => f.severity in order)
    .sort((a, b) => order[a.severity] - order[b.severity]);
  const checks = latest.findings.length - found.length;
  return el("section", { class: "card", "aria-labelledby": "advice" },
    el("h2", { id: "advice" }, "What to do"),
    found.length === 0 ?
      el("p", { class: "fine" }, mark("fine", "Nothing."), ` ${count(checks, "check")} found nothing wrong.`) :
      el("ul", { class: "findings" }, found.map((f) => el("li", {}, mark(f.severity, f.severity),
        el("div", {},
          el("p", {}, el("strong", {}, f.subject), `, ${f.check}`, f.what && `: ${f.what}`),
          f.do && el("p", { class: "do" }, "→ ", f.do))))),
    el("p", { class: "hint" }, "kvs doctor also looks at disks, files, certificates and seeds, on the machines themselves."));
}

// mark is a word with the colour of a severity. The word says it too.
function mark(kind, text) { return el("span", { class: `mark ${kind}` }, text); }

const stateKinds = { alive: "fine", suspect: "warning", dead: "problem" };

function members(own) {
  const columns = ["Member", "State", "Mode", "Role", "Data", "Queues", "Up", "Version"];
  return el("section", { class: "card", "aria-labelledby": "members" }, el("h2", { id: "members" }, "Members"),
    el("table", { class: "cards" },
      el("thead", {}, el("tr", {}, columns.map((c) => el("th", { scope: "col" }, c)))),
      el("tbody", {}, latest.members.map((m) => row(m, own, columns)))));
}

function row(m, own, columns) {
  const st = m.status;
  const voter = (own.voters.voters ?? []).some((v) => v.id === m.member.id);
  const held = (own.voters.held ?? []).some((v) => v.id === m.member.id);
  const name = m.member.id === latest.node ? el("strong", {}, m.member.name, " (this one)") :
    el("a", { href: consoleOf(m.member), "data-focus": m.member.id, title: "The console of this member" }, m.member.name);
  const none = () => el("span", { class: "quiet" }, "—");
  const cells = [
    [name, el("span", { class: "under" }, m.member.address), m.member.hint && el("span", { class: "under" }, m.member.hint)],
    [mark(stateKinds[m.member.state] ?? "warning", m.member.state)],
    st ? mode(st) : [mark("problem", "no answer"), el("span", { class: "under" }, m.error)],
    [voter ? "voter" : held ? "learner, held" : "learner"],
    st ? [st.digest === own.digest ? "equal" : mark("warning", "differs"), el("span", { class: "under" },
      `${count(st.keys, "record")}, `, el("code", {}, shortID(st.digest)))] : [none()],
    st ? queues(st) : [none()],
    [st ? shortDuration(st.uptime_seconds) : none()],
    [st ? st.version : none()],
  ];
  return el("tr", {}, cells.map((c, i) => el(i === 0 ? "th" : "td", { scope: i === 0 && "row", "data-label": columns[i] },
    el("div", {}, c))));
}

function mode(st) {
  const kind = st.mode === "normal" && st.ready ? "fine" : st.ready ? "warning" : "problem";
  return [mark(kind, st.ready ? st.mode : `${st.mode}, not ready`),
    st.reasons.map((r) => el("span", { class: "under" }, r))];
}

// queues are what waits for each peer.
function queues(st) {
  const waiting = st.peers.filter((p) => p.queue_entries > 0);
  if (waiting.length === 0) return ["empty"];
  return waiting.map((p) => el("span", { class: "line" },
    `${count(p.queue_entries, "write")} (${bytesText(p.queue_bytes)}) for ${nameOf(st, p.id)}`,
    p.away_millis !== undefined && `, away for ${shortDuration(p.away_millis / 1000)}`));
}

function nameOf(st, id) { return st.members.find((m) => m.id === id)?.name || id; }
