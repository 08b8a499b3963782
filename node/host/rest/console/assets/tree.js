// The tree of keys: a tree view as the ARIA Authoring Practices describe it, of which directories are loaded when they are
// opened, page by page. One item is in the tab order; arrow keys, Home and End move among the others.
import * as api from "./api.js";
import { el } from "./dom.js";
import { bytesText } from "./format.js";

const pageEntries = 100;
const pageEntriesMax = 1000; // of one request, when a directory is loaded again.

// Tree shows directories and values below the root. open(path) is called when a person opens an item; a path that ends
// in a slash, and the empty one, is a directory.
export class Tree {
  constructor(open) {
    this.open = open;
    this.root = { path: "", children: new Map(), loaded: false, expanded: true };
    this.list = el("ul", { role: "tree", "aria-label": "Keys", class: "tree" });
    this.root.group = this.list;
    this.list.addEventListener("keydown", (e) => this.#key(e));
    this.list.addEventListener("click", (e) => this.#click(e));
    this.nodes = new WeakMap(); // by their items.
    this.selected = null;
    this.reveals = 0;
  }

  // load loads a directory, or loads again what is shown of it. Entries that stay keep what is open below them.
  async load(dir = this.root) {
    const wanted = Math.min(Math.max(pageEntries, dir.children.size), pageEntriesMax);
    await this.#page(dir, wanted, "", true);
  }

  // refresh loads what is open again.
  async refresh(dir = this.root) {
    await this.load(dir);
    for (const child of dir.children.values()) if (child.expanded) await this.refresh(child);
  }

  // reveal opens the directories above path, and selects its item, if a loaded page has it. What is not there may be new.
  async reveal(path) {
    const mine = ++this.reveals;
    let dir = this.root;
    if (!dir.loaded) await this.load(dir);
    for (let at = path.indexOf("/"); at >= 0 && at < path.length - 1; at = path.indexOf("/", at + 1)) {
      const next = await this.#child(dir, path.slice(0, at + 1));
      if (!next) break;
      if (!next.expanded) await this.#expand(next);
      dir = next;
    }
    const node = path === "" ? null : await this.#child(dir, path);
    if (mine === this.reveals) this.#select(node);
  }

  // child is an entry of a directory, which is loaded again if it did not have the entry; null: it has none.
  async #child(dir, path) {
    if (!dir.children.has(path) && path.startsWith(dir.path)) await this.load(dir);
    return dir.children.get(path) ?? null;
  }

  // changed loads the part of the tree again in which path has appeared or gone.
  async changed(path) {
    let dir = this.root;
    for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) {
      const next = dir.children.get(path.slice(0, at + 1));
      if (!next?.loaded) break;
      dir = next;
    }
    // a directory whose last value has gone is gone too.
    for (; dir !== null; dir = dir.parent ?? null) {
      await this.load(dir);
      if (dir.children.size > 0) break;
    }
    await this.reveal(path);
  }

  async #page(dir, limit, after, fresh) {
    dir.group.setAttribute("aria-busy", "true");
    try {
      const page = await api.json(api.keyURL(dir.path, { limit, after }));
      const before = dir.children;
      const children = fresh ? new Map() : before;
      for (const e of page.entries) children.set(e.path, this.#node(dir, e, before.get(e.path)));
      dir.children = children;
      dir.loaded = true;
      dir.next = page.more ? page.next : null;
      this.#draw(dir);
    } finally {
      dir.group.removeAttribute("aria-busy");
    }
  }

  #node(parent, entry, known) {
    const node = known ?? { path: entry.path, children: new Map(), loaded: false, expanded: false, parent,
      directory: !!entry.directory };
    node.parent = parent;
    if (known === undefined) {
      node.label = el("span", { class: "name" });
      node.detail = el("span", { class: "quiet detail" });
      node.item = el("li", { role: "treeitem", tabindex: "-1", "aria-level": this.#level(parent) + 1,
        "aria-selected": "false", "aria-expanded": node.directory && "false" },
      el("span", { class: "row" }, el("span", { class: node.directory ? "twist" : "leaf", "aria-hidden": "true" }),
        node.label, node.detail));
      if (node.directory) {
        node.group = el("ul", { role: "group" });
        node.item.append(node.group);
      }
      this.nodes.set(node.item, node);
    }
    node.label.textContent = entry.name;
    node.detail.textContent = node.directory ? "" : bytesText(entry.bytes);
    return node;
  }

  #level(node) {
    let level = 0;
    for (let n = node; n.parent; n = n.parent) level++;
    return level;
  }

  #draw(dir) {
    const focused = this.list.contains(document.activeElement) ? document.activeElement : null;
    const items = [...dir.children.values()].map((n) => n.item);
    if (dir.next) items.push(this.#more(dir));
    if (items.length === 0) items.push(el("li", { role: "none", class: "quiet empty" }, "nothing"));
    dir.group.replaceChildren(...items);
    if (focused !== null) (focused.isConnected ? focused : this.#items()[0])?.focus();
    this.#rove();
  }

  // more is the item that loads the next page of a directory.
  #more(dir) {
    const item = el("li", { role: "treeitem", tabindex: "-1", "aria-level": this.#level(dir) + 1, "aria-selected": "false" },
      el("span", { class: "row more" }, `more, after ${dir.children.size}…`));
    this.nodes.set(item, { item, parent: dir, more: true });
    return item;
  }

  // items are those that can be seen, from top to bottom.
  #items() {
    return [...this.list.querySelectorAll("[role=treeitem]")].filter((i) => {
      for (let g = i.parentElement; g !== this.list; g = g.parentElement) {
        if (g.getAttribute("aria-expanded") === "false") return false;
      }
      return true;
    });
  }

  // rove leaves one item in the tab order.
  #rove(item) {
    const all = this.#items();
    const chosen = item ?? all.find((i) => i === document.activeElement) ?? this.selected?.item ?? all[0];
    for (const i of this.list.querySelectorAll("[tabindex='0']")) i.tabIndex = -1;
    const last = all.includes(chosen) ? chosen : all[0];
    if (last) last.tabIndex = 0;
  }

  #focus(item) {
    if (!item) return;
    this.#rove(item);
    item.focus();
    item.firstChild.scrollIntoView({ block: "nearest" });
  }

  #select(node) {
    this.selected?.item.setAttribute("aria-selected", "false");
    this.selected = node;
    node?.item.setAttribute("aria-selected", "true");
    this.#rove(node?.item);
  }

  async #expand(node) {
    node.expanded = true;
    node.item.setAttribute("aria-expanded", "true");
    if (!node.loaded) await this.load(node);
  }

  #collapse(node) {
    node.expanded = false;
    node.item.setAttribute("aria-expanded", "false");
  }

  // act is what Enter, the space bar and a click do.
  async #act(node) {
    if (node.more) {
      const dir = node.parent, last = [...dir.children.keys()].length;
      await this.#page(dir, pageEntries, dir.next, false);
      this.#focus([...dir.children.values()][last]?.item);
      return;
    }
    this.#select(node);
    this.open(node.path);
    if (node.directory) await (node.expanded ? this.#collapse(node) : this.#expand(node));
  }

  async #guarded(work) {
    try {
      await work;
    } catch (e) {
      this.onError?.(e);
    }
  }

  #click(event) {
    const node = this.nodes.get(event.target.closest("[role=treeitem]"));
    if (!node || !event.target.closest(".row")) return;
    this.#focus(node.item);
    this.#guarded(this.#act(node));
  }

  #key(event) {
    const node = this.nodes.get(event.target);
    if (!node || event.altKey || event.ctrlKey || event.metaKey) return;
    const items = this.#items(), at = items.indexOf(node.item);
    const moves = { ArrowDown: items[at + 1], ArrowUp: items[at - 1], Home: items[0], End: items[items.length - 1] };
    if (event.key in moves) {
      this.#focus(moves[event.key]);
    } else if (event.key === "ArrowRight" && node.directory) {
      if (node.expanded) this.#focus(node.group.querySelector("[role=treeitem]"));
      else this.#guarded(this.#expand(node));
    } else if (event.key === "ArrowLeft") {
      if (node.directory && node.expanded) this.#collapse(node);
      else this.#focus(node.parent?.item);
    } else if (event.key === "Enter" || event.key === " ") {
      this.#guarded(this.#act(node));
    } else {
      return;
    }
    event.preventDefault();
  }
}
