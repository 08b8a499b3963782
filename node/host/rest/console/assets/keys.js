// The tree of keys beside the value that is open.
import * as api from "./api.js";
import { ask, button, el, failed, replace } from "./dom.js";
import { Tree } from "./tree.js";
import { Creation, Directory, Value } from "./value.js";

export const title = "Keys";

let tree = null;
let place = null; // the whole view; null: it is not shown.
let pane = null; // where the value is.
let trouble = null;
let opened = null; // what is open: a Value, Directory or Creation.
let turn = 0; // what is late for a former turn is dropped.

export async function show(main, rest, name) {
  if (place === null) build(main);
  const path = api.decoded(rest), creates = name === "new";
  if (path === null) {
    replace(pane, failed(new Error("The address of this page names no path: it cannot be decoded.")));
    return;
  }
  const mine = ++turn;
  place.classList.toggle("detail", creates || !isDirectory(path)); // on a phone, it stands in place of the tree.
  try {
    await tree.reveal(path);
    replace(trouble);
  } catch (e) {
    replace(trouble, failed(e, button("Try again", () => show(main, rest, name))));
  }
  if (mine !== turn) return;
  const Opened = creates ? Creation : isDirectory(path) ? Directory : Value;
  const box = el("div", {}); // of this path alone: late answers about another one do not show.
  pane.replaceChildren(box);
  opened = new Opened(box, path, { tree, go: (p) => { location.hash = api.keyHash(p); } });
  if (!tree.list.checkVisibility()) pane.focus();
  await opened.show();
}

const isDirectory = (path) => path === "" || path.endsWith("/");

export async function mayLeave() {
  if (!opened?.changed?.()) return true;
  const leaves = await ask("Leave without saving?", "What you have written is not stored yet.", "Leave");
  if (!leaves) await tree.reveal(opened.path ?? "").catch(tree.onError);
  return leaves;
}

export function leave() {
  turn++;
  place = null;
  tree = null;
  opened = null;
}

window.addEventListener("beforeunload", (e) => { if (opened?.changed?.()) e.preventDefault(); });

function build(main) {
  tree = new Tree((path) => {
    const hash = api.keyHash(path);
    if (location.hash !== hash) location.hash = hash;
  });
  tree.onError = (e) => replace(trouble, failed(e));
  pane = el("section", { class: "card pane", "aria-label": "Value", tabindex: "-1" });
  trouble = el("div", {});
  const path = el("input", { type: "text", id: "goto", placeholder: "a/path, or a/directory/", spellcheck: "false",
    autocapitalize: "off", autocomplete: "off" });
  const go = (event) => {
    event.preventDefault();
    location.hash = api.keyHash(path.value.replace(/^\/+/, ""));
  };
  place = el("div", { class: "keys" },
    el("section", { class: "card browser", "aria-label": "Tree" },
      el("h1", {}, "Keys"),
      el("form", { class: "goto", role: "search", on: { submit: go } }, el("label", { for: "goto", class: "hidden" },
        "Path to open"), path, el("button", { type: "submit" }, "Open")),
      el("div", { class: "actions" },
        button("New value", () => { location.hash = api.newHash(directoryOf(tree.selected?.path ?? "")); }, { class: "primary" }),
        button("Refresh", async () => {
          try {
            await tree.refresh();
            replace(trouble);
          } catch (e) {
            replace(trouble, failed(e));
          }
        })),
      trouble, tree.list),
    pane);
  main.replaceChildren(place);
}

function directoryOf(path) { return path.slice(0, path.lastIndexOf("/") + 1); }
