// Conflicts that were decided, with the writes that lost, which can be brought back.
import * as api from "./api.js";
import { ask, button, el, failed, loading, notice, replace, say } from "./dom.js";
import { bytesText, moment, shortID, stampMoment } from "./format.js";
import { render } from "./value.js";

export const title = "Conflicts";

const limit = 100;
const showBytesMax = 64 << 10;

let place = null;
let list = null;

export async function show(main, rest) {
  if (place === null) build(main);
  place.querySelector("input").value = api.decoded(rest) ?? "";
  await load();
}

export function leave() { place = null; }

function build(main) {
  list = el("div", { class: "stack", "aria-live": "polite" });
  const prefix = el("input", { type: "text", id: "prefix", placeholder: "all", spellcheck: "false", autocapitalize: "off" });
  place = el("div", { class: "stack" },
    el("div", { class: "heading" }, el("h1", {}, "Conflicts"),
      el("p", { class: "quiet" }, "Writes with equal timestamps, and which of them won. This node keeps them for 24 hours of " +
        "its running time.")),
    el("form", { class: "goto", on: { submit: (e) => {
      e.preventDefault();
      load();
    } } }, el("label", { for: "prefix" }, "Paths that begin with"), prefix, el("button", { type: "submit" }, "Show")),
    list);
  main.replaceChildren(place);
}

async function load() {
  replace(list, loading());
  try {
    const prefix = place.querySelector("input").value;
    const { conflicts } = await api.json(api.withQuery("/conflicts", { prefix, limit }));
    replace(list, conflicts.length === 0 ? notice("", "No conflicts", "No two writes of a path had the same timestamp, as " +
      "far as this node knows.") : conflicts.map(card));
  } catch (e) {
    replace(list, failed(e, button("Try again", load)));
  }
}

function card(c) {
  const result = el("div", { "aria-live": "polite" });
  return el("article", { class: "card" },
    el("h2", { class: "path" }, el("a", { href: api.keyHash(c.path) }, c.path)),
    el("p", {}, el("span", { class: `mark ${c.settled ? "fine" : "warning"}` }, c.settled ? "settled" : "provisional"),
      ` by the rule “${c.rule}”: ${c.reason}.`),
    el("p", { class: "quiet" }, `Written at ${stampMoment(c.timestamp)}, seen at ${moment(c.seen)}. `,
      `${c.voters} voters.`),
    el("table", { class: "cards" },
      el("thead", {}, el("tr", {}, ["Result", "Write", "Of", "Value", "Votes", ""].map((h) =>
        el("th", { scope: "col" }, h || el("span", { class: "hidden" }, "Actions"))))),
      el("tbody", {}, c.candidates.map((x) => candidate(c, x, result)))),
    result);
}

function candidate(c, x, result) {
  const won = x.uuid === c.winner;
  const votes = c.votes.filter((v) => v.uuid === x.uuid).map((v) => v.member);
  const cell = (label, ...content) => el("td", { "data-label": label }, el("div", {}, content));
  return el("tr", {},
    cell("Result", el("span", { class: `mark ${won ? "fine" : "warning"}` }, won ? "won" : "lost")),
    cell("Write", el("code", { title: x.uuid }, shortID(x.uuid))),
    cell("Of", x.origin),
    cell("Value", x.deleted ? "a deletion" : `${bytesText(x.bytes)} ${x.content_type ?? ""}`),
    cell("Votes", votes.length > 0 ? votes.join(", ") : "none"),
    el("td", {}, el("div", { class: "actions" },
      !x.deleted && button("Show", () => reveal(c, x, result)),
      !x.deleted && button("Download", async () => {
        try {
          await api.download(api.candidateURL(c.path, x.uuid), `${c.path.split("/").pop()}.${x.uuid.slice(0, 8)}`);
        } catch (e) {
          replace(result, failed(e));
        }
      }),
      !won && !x.deleted && button("Bring back…", () => bringBack(c, x, result)))));
}

async function reveal(c, x, result) {
  try {
    const range = { Range: `bytes=0-${showBytesMax - 1}` };
    const answer = await api.request("GET", api.candidateURL(c.path, x.uuid), { headers: x.bytes > 0 ? range : {} });
    const bytes = new Uint8Array(await answer.arrayBuffer());
    replace(result, el("h3", {}, `The write of ${x.origin}`), bytes.length === 0 ? "It is empty." : render(bytes, x.bytes));
  } catch (e) {
    replace(result, failed(e));
  }
}

// bringBack writes the value of a loser as a new version, if the path still has the version that is there now.
async function bringBack(c, x, result) {
  try {
    let guard = { "If-None-Match": "*" }, there = "There is no value now.";
    try {
      const now = api.metaOf((await api.request("HEAD", api.keyURL(c.path))).headers);
      guard = { "If-Match": now.etag };
      there = `It takes the place of version ${shortID(now.etag.replaceAll('"', ""))} of ${stampMoment(now.timestamp)}.`;
    } catch (e) {
      if (e.status !== 404) throw e;
    }
    if (!await ask("Bring this value back?", `The write of ${x.origin} becomes the value of ${c.path}, as a new version. ` +
      there, "Bring it back")) return;
    const answer = await api.request("GET", api.candidateURL(c.path, x.uuid));
    const headers = { ...guard, "Content-Type": answer.headers.get("Content-Type") ?? "" };
    await api.request("PUT", api.keyURL(c.path), { headers, body: await answer.arrayBuffer() });
    say(`${c.path} has the value of ${x.origin} again.`);
    replace(result, notice("fine", "It is brought back", "", el("a", { class: "button", href: api.keyHash(c.path) },
      "Open the value")));
  } catch (e) {
    replace(result, e.status === 412 ? notice("warning", "Another client was faster", "The value has changed since you were " +
      "asked: nothing was written.", button("Ask again", () => bringBack(c, x, result))) : failed(e));
  }
}
