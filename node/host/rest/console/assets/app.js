// The frame of the page: which view is shown, who is logged in, and whether the node answers.
import * as api from "./api.js";
import { button, el, failed, field, notice, replace } from "./dom.js";
import { clock, count } from "./format.js";
import * as cluster from "./cluster.js";
import * as conflicts from "./conflicts.js";
import * as keys from "./keys.js";
import * as live from "./live.js";

// A view has a title, show(main, rest, name) with what the address says behind the view's name, leave(), which ends what
// it has begun, and perhaps mayLeave(), which resolves with false to stay.
const views = { cluster, keys, new: keys, conflicts, live };
const main = document.getElementById("main");
const nothing = { leave() {} }; // before the first view: an answer of 401 leads to the form for a token.
let current = null; // the view that is shown; null: the form for a token is.
let shownHash = "";

// route is the view that the address names, and the rest of the address.
function route() {
  const [, name, rest] = /^#\/([a-z]+)\/?(.*)$/.exec(location.hash) || [null, "cluster", ""];
  return { name: name in views ? name : "cluster", rest };
}

async function show() {
  const { name, rest } = route();
  if (current?.mayLeave && location.hash !== shownHash && !(await current.mayLeave())) {
    history.replaceState(null, "", shownHash);
    return;
  }
  shownHash = location.hash;
  const next = views[name];
  if (current !== next) current?.leave();
  for (const link of document.querySelectorAll("nav a")) {
    const here = views[/[a-z]+/.exec(link.getAttribute("href"))[0]] === next;
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${next.title} · kvs`;
  const moved = current !== null && current !== nothing && current !== next;
  if (current !== next) main.replaceChildren();
  current = next;
  await next.show(main, rest, name);
  if (moved) main.focus({ preventScroll: true }); // so that screen readers begin there.
}

// login asks for a token. why is shown above the form.
function login(why) {
  current?.leave();
  current = null;
  document.title = "Token · kvs";
  const input = el("input", { type: "password", name: "token", autocomplete: "off", spellcheck: "false",
    placeholder: "kvs1.…", required: true });
  const keep = el("input", { type: "checkbox", id: "keep" });
  const problems = el("div", {});
  const send = async (event) => {
    event.preventDefault();
    if (api.inClear()) {
      replace(problems, notice("problem", "The token was not sent", "This page was loaded without TLS, so the token " +
        "could be read on its way. Open it with https://."));
      return;
    }
    api.setToken(input.value.trim(), keep.checked);
    try {
      await api.json("/status");
    } catch (e) {
      if (e.status === 401) api.setToken("", false);
      replace(problems, e.status === 401 ? notice("problem", "This token is not valid", e.detail) : failed(e));
      input.select();
      return;
    }
    document.getElementById("logout").hidden = false;
    shownHash = location.hash;
    start();
  };
  main.replaceChildren(el("section", { class: "card narrow", "aria-labelledby": "login" },
    el("h1", { id: "login" }, "This cluster asks for a token"),
    why && el("p", { class: "quiet" }, why),
    problems,
    el("form", { on: { submit: send } },
      field("Token", input, "It stays in this page, and goes nowhere but to this node. What it may not see is not shown."),
      el("div", { class: "check" }, keep, el("label", { for: "keep" }, "Keep it until this tab is closed")),
      el("div", { class: "actions" }, el("button", { type: "submit", class: "primary" }, "Show the cluster"))),
    el("p", { class: "hint" }, "kvs token create makes tokens.")));
  input.focus();
}

const connection = document.getElementById("connection");
let silentSince = null;

// A node that does not answer is shown until it does, and a missing token is asked for.
api.onAnswer((problem) => {
  if (problem?.status === 0) {
    silentSince ??= new Date();
    connection.hidden = false;
    replace(connection, el("strong", {}, `This node has not answered since ${clock(silentSince)}. `),
      cluster.elsewhere());
    return;
  }
  if (problem?.code === "starting") {
    connection.hidden = false;
    replace(connection, el("strong", {}, "This node is starting. "), problem.detail);
    return;
  }
  silentSince = null;
  if (!connection.hidden) {
    connection.hidden = true;
    connection.replaceChildren();
  }
  if (problem?.status === 401 && current !== null) {
    const had = api.hasToken();
    api.setToken("", false);
    document.getElementById("logout").hidden = true;
    cluster.forget();
    login(had ? `The token is no longer accepted: ${problem.detail}` : "");
  }
});

// The pill in the corner says in a word how the cluster is.
cluster.onOverview((doc) => {
  const health = document.getElementById("health");
  if (doc === null) {
    health.hidden = true;
    return;
  }
  const problems = doc.findings.filter((f) => f.severity === "problem").length;
  const warnings = doc.findings.filter((f) => f.severity === "warning").length;
  const [kind, text] = problems > 0 ? ["problem", count(problems, "problem")] :
    warnings > 0 ? ["warning", count(warnings, "warning")] : ["fine", "All is well"];
  health.hidden = false;
  health.className = `pill ${kind}`;
  if (health.textContent !== text) health.textContent = text; // screen readers read out what changes.
  const self = doc.members.find((m) => m.member.id === doc.node);
  document.getElementById("cluster").textContent = self?.status?.cluster ?? "kvs";
  document.getElementById("node").textContent = self ? `at ${self.member.name}` : "";
});

document.getElementById("logout").addEventListener("click", () => {
  api.setToken("", false);
  document.getElementById("logout").hidden = true;
  cluster.forget();
  live.forget();
  login("The token is forgotten.");
});
window.addEventListener("hashchange", () => { if (current !== null) show(); });

function start() {
  cluster.start();
  show();
}

document.getElementById("logout").hidden = !api.hasToken();
if (location.hash === "") history.replaceState(null, "", "#/cluster");
current = nothing;
start();
