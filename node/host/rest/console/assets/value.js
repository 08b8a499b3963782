// One value: its bytes as text or in hexadecimal, and its change, each guarded by the ETag of what was seen. And a
// directory, and a value that is to be made.
import * as api from "./api.js";
import { ask, button, el, failed, field, loading, notice, replace, say } from "./dom.js";
import { bytesText, count, hexDump, moment, shortID, stampMoment, textOf } from "./format.js";

const loadBytesMax = 64 << 10; // a larger value is loaded when it is asked for.
const editBytesMax = 1 << 20; // a larger one is replaced by a file.
const hexBytesMax = 4 << 10; // of a value that is no text.

const nameOf = (path) => path.slice(path.lastIndexOf("/", path.length - 2) + 1);

// head is the path, with links to the directories above it, and the way back on a phone.
function head(path) {
  const parts = [];
  let at = 0;
  for (let next = path.indexOf("/"); next >= 0 && next < path.length - 1; next = path.indexOf("/", at)) {
    parts.push(el("a", { href: api.keyHash(path.slice(0, next + 1)) }, path.slice(at, next + 1)));
    at = next + 1;
  }
  return [el("a", { class: "back", href: "#/keys/" }, "← All keys"),
    el("h2", { class: "path" }, parts, el("span", {}, path.slice(at)))];
}

// Directory says what is below a directory.
export class Directory {
  constructor(pane, path, tools) { Object.assign(this, { pane, path, tools }); }

  async show() {
    const answer = el("p", { role: "status" });
    const countAll = async () => {
      try {
        let values = 0, bytes = 0;
        for (let after = "", more = true; more;) {
          const page = await api.json(api.keyURL(this.path, { count: "true", recursive: "true", after }));
          values += page.values;
          bytes += page.bytes;
          [after, more] = [page.next ?? "", page.more];
          answer.textContent = `${count(values, "value")} below, ${bytesText(bytes)}${more ? ", and more…" : "."}`;
        }
      } catch (e) {
        replace(answer, failed(e));
      }
    };
    replace(this.pane, this.path === "" ? el("h2", {}, "No value is open") : head(this.path),
      el("p", { class: "quiet" }, "Open a value in the tree: with a click, or with the arrow keys and Enter."),
      el("div", { class: "actions" },
        el("a", { class: "button", href: api.newHash(this.path) }, "New value here"),
        button("Count the values", countAll)), answer);
  }
}

// form are the controls for a value's bytes: a text or a file.
function form({ text, contentType, expires }) {
  const area = el("textarea", { rows: "12", spellcheck: "false", autocapitalize: "off", dir: "auto" });
  area.value = text ?? "";
  const type = el("input", { type: "text", spellcheck: "false", autocapitalize: "off", list: "types" });
  type.value = contentType;
  const ttl = el("input", { type: "text", placeholder: "90m, 3600, 24h", spellcheck: "false", autocapitalize: "off" });
  const file = el("input", { type: "file" });
  file.addEventListener("change", () => {
    area.disabled = file.files.length > 0;
    if (file.files[0]?.type) type.value = file.files[0].type;
  });
  const began = [area.value, type.value];
  return {
    controls: [
      text !== null ? field("Value", area) : el("p", { class: "quiet" }, "This value is no text, or too long to edit here: " +
        "replace it by a file."),
      field("Or a file", file),
      el("div", { class: "columns" },
        field("Content type", type),
        field("Time to live", ttl, expires ? `Now it ends at ${moment(expires)}. Empty: the new value stays.` :
          "Empty: the value stays.")),
      el("datalist", { id: "types" }, ["text/plain", "application/json", "application/octet-stream"].map((t) =>
        el("option", { value: t }))),
    ],
    area,
    changed: () => area.value !== began[0] || type.value !== began[1] || file.files.length > 0 || ttl.value !== "",
    // body is what is to be written. Browsers write line ends as one character: crlf brings those back that there were.
    body: async (crlf) => file.files.length > 0 ? new Uint8Array(await file.files[0].arrayBuffer()) :
      new TextEncoder().encode(crlf ? area.value.replace(/\n/g, "\r\n") : area.value),
    headers: () => {
      const headers = { "Content-Type": type.value.trim() };
      if (ttl.value.trim() !== "") headers["Kvs-TTL"] = ttl.value.trim();
      return headers;
    },
  };
}

// Creation makes a value where there is none.
export class Creation {
  constructor(pane, dir, tools) { Object.assign(this, { pane, dir, tools, done: false }); }

  changed() { return !this.done && (this.form?.changed() ?? false); }

  async show() {
    this.form = form({ text: "", contentType: "text/plain", expires: "" });
    const path = el("input", { type: "text", required: true, spellcheck: "false", autocapitalize: "off", autocomplete: "off" });
    path.value = this.dir;
    const trouble = el("div", {});
    const make = async (event) => {
      event.preventDefault();
      try {
        const target = path.value.replace(/^\/+/, "");
        const body = await this.form.body(false);
        await api.request("PUT", api.keyURL(target), { body, headers: { ...this.form.headers(), "If-None-Match": "*" } });
        this.done = true;
        say(`${target} is stored.`);
        await this.tools.tree.changed(target);
        this.tools.go(target);
      } catch (e) {
        replace(trouble, e.status === 412 ? notice("warning", "There is a value at this path already", "It was not touched.",
          el("a", { class: "button", href: api.keyHash(path.value) }, "Open it")) : failed(e));
        trouble.firstChild.focus();
      }
    };
    replace(this.pane, el("a", { class: "back", href: "#/keys/" }, "← All keys"), el("h2", {}, "New value"),
      el("form", { on: { submit: make } },
        field("Path", path, "Segments joined by slashes. The directories above it need not be made."),
        this.form.controls, trouble,
        el("div", { class: "actions" }, el("button", { type: "submit", class: "primary" }, "Create"),
          el("a", { class: "button", href: api.keyHash(this.dir.slice(0, this.dir.lastIndexOf("/") + 1)) }, "Cancel")),
        el("p", { class: "hint" }, "It is made only if there is no value at the path: a linearizable write.")));
    path.focus();
  }
}

// Value shows one value, and changes it.
export class Value {
  constructor(pane, path, tools) { Object.assign(this, { pane, path, tools, form: null, bytes: null }); }

  changed() { return this.form?.changed() ?? false; }

  async show() {
    this.form = null;
    replace(this.pane, head(this.path), loading());
    try {
      const answer = await api.request("HEAD", api.keyURL(this.path));
      this.meta = api.metaOf(answer.headers);
      this.bytes = null;
      if (this.meta.bytes <= loadBytesMax) await this.load();
    } catch (e) {
      if (e.status === 404) {
        replace(this.pane, head(this.path), notice("", "There is no value at this path", "It may have been deleted, or have ended."),
          el("div", { class: "actions" },
            el("a", { class: "button", href: api.newHash(this.path) }, "Create it"),
            button("Look again", () => this.show())));
        return;
      }
      replace(this.pane, head(this.path), failed(e, button("Try again", () => this.show())));
      return;
    }
    this.draw();
  }

  // load loads all bytes, and takes the version that they are of.
  async load() {
    const answer = await api.request("GET", api.keyURL(this.path));
    this.bytes = new Uint8Array(await answer.arrayBuffer());
    this.meta = { ...api.metaOf(answer.headers), bytes: this.bytes.length };
  }

  draw(message) {
    this.form = null;
    const m = this.meta;
    replace(this.pane, head(this.path), message,
      el("dl", { class: "facts" },
        fact("Size", `${bytesText(m.bytes)}${m.bytes >= 1024 ? ` (${m.bytes.toLocaleString("en")} bytes)` : ""}`),
        fact("Content type", m.contentType),
        fact("Written", stampMoment(m.timestamp), m.timestamp),
        m.expires && fact("Ends", moment(m.expires)),
        el("div", { class: "wide" }, el("dt", {}, "ETag"), el("dd", {}, el("code", {}, m.etag.replaceAll('"', ""))))),
      el("div", { class: "actions" },
        button("Edit", () => this.edit(), { class: "primary" }),
        button("Download", () => this.attempt(api.download(api.keyURL(this.path), nameOf(this.path)))),
        button("Load again", () => this.show()),
        button("Delete…", () => this.remove(), { class: "danger" })),
      this.shown());
  }

  // shown is the value for people.
  shown() {
    if (this.bytes === null) {
      return notice("", `This value has ${bytesText(this.meta.bytes)}`, "It has not been loaded.",
        button("Show the beginning", () => this.attempt(this.beginning())),
        this.meta.bytes <= editBytesMax && button("Load all of it", () => this.attempt(this.load().then(() => this.draw()))));
    }
    if (this.bytes.length === 0) return el("p", { class: "quiet" }, "The value is empty.");
    return render(this.bytes, this.bytes.length);
  }

  async beginning() {
    const answer = await api.request("GET", api.keyURL(this.path), { headers: { Range: `bytes=0-${hexBytesMax - 1}` } });
    const bytes = new Uint8Array(await answer.arrayBuffer());
    this.pane.lastChild.replaceWith(render(bytes, this.meta.bytes));
  }

  async attempt(work) {
    try {
      await work;
    } catch (e) {
      this.draw(failed(e));
    }
  }

  async edit() {
    if (this.bytes === null && this.meta.bytes <= editBytesMax) {
      try {
        await this.load();
      } catch (e) {
        this.draw(failed(e));
        return;
      }
    }
    let text = this.bytes === null ? null : textOf(this.bytes);
    const crlf = text !== null && /\r\n/.test(text) && !/(^|[^\r])\n/.test(text) && !/\r(?!\n)/.test(text);
    if (text !== null && !crlf && text.includes("\r")) text = null; // a text field would change its line ends.
    this.form = form({ text, contentType: this.meta.contentType, expires: this.meta.expires });
    const trouble = el("div", {});
    const save = async (event) => {
      event?.preventDefault();
      try {
        const body = await this.form.body(crlf);
        await this.write("PUT", { body, headers: this.form.headers() });
        this.bytes = body;
        this.meta.bytes = body.length;
        this.meta.contentType = this.form.headers()["Content-Type"] || "application/octet-stream";
        say("The value is stored.");
        this.draw();
        await this.tools.tree.changed(this.path);
      } catch (e) {
        replace(trouble, e.status === 412 ? this.faster(e, save) : failed(e));
        trouble.firstChild.focus();
      }
    };
    replace(this.pane, head(this.path), el("form", { on: { submit: save } }, this.form.controls, trouble,
      el("div", { class: "actions" }, el("button", { type: "submit", class: "primary" }, "Save"),
        button("Cancel", () => this.draw())),
      el("p", { class: "hint" }, "It is stored only if the value is still the one with ETag ",
        el("code", {}, shortID(this.meta.etag.replaceAll('"', ""))), ": a linearizable write.")));
    (text !== null ? this.form.area : this.pane.querySelector("input")).focus();
  }

  // write writes if the value is still the one that was seen, and takes over the version that it has made.
  async write(method, options) {
    const answer = await api.request(method, api.keyURL(this.path),
      { ...options, headers: { ...options.headers, "If-Match": this.meta.etag } });
    this.meta = { ...this.meta, ...pick(api.metaOf(answer.headers), "etag", "timestamp", "expires") };
  }

  // faster says that another client was faster, and offers what to do.
  faster(e, again) {
    const now = api.metaOf(e.headers);
    if (now.etag === "") {
      return notice("warning", "Another client was faster: the value has been deleted meanwhile",
        "What you have written is still here.",
        button("Create it anew", async () => {
          try {
            await api.request("PUT", api.keyURL(this.path),
              { body: await this.form.body(false), headers: { ...this.form.headers(), "If-None-Match": "*" } });
            this.show();
          } catch (e) {
            this.draw(failed(e));
          }
        }), button("Drop mine", () => this.show()));
    }
    const theirs = el("div", {});
    return notice("warning", "Another client was faster",
      `Version ${shortID(now.etag.replaceAll('"', ""))} was written at ${stampMoment(now.timestamp)}, after the one that ` +
        "you have seen. What you have written is still here, and is not stored.",
      button("Reload, drop mine", () => this.show()),
      button("Show theirs", async () => {
        try {
          const answer = await api.request("GET", api.keyURL(this.path),
            { headers: { Range: `bytes=0-${hexBytesMax - 1}` } });
          const bytes = new Uint8Array(await answer.arrayBuffer());
          replace(theirs, bytes.length === 0 ? "It is empty." : render(bytes, bytes.length));
        } catch (e) {
          replace(theirs, failed(e));
        }
      }),
      again && button("Store mine in its place", () => {
        this.meta.etag = now.etag;
        again();
      }, { class: "danger" }), theirs);
  }

  async remove() {
    if (!await ask(`Delete ${nameOf(this.path)}?`, `${this.path} is deleted if it is still the version that is shown here.`,
      "Delete", true)) return;
    try {
      await this.write("DELETE", {});
      say(`${this.path} is deleted.`);
      await this.tools.tree.changed(this.path);
      await this.show();
    } catch (e) {
      this.draw(e.status === 412 ? this.faster(e, null) : failed(e));
    }
  }
}

function fact(name, ...value) { return el("div", {}, el("dt", {}, name), el("dd", { title: value[1] }, value[0])); }

function pick(from, ...names) { return Object.fromEntries(names.map((n) => [n, from[n]])); }

// render shows bytes of a value that has all of them: as text if they are text, and otherwise in hexadecimal.
export function render(bytes, all) {
  const cut = bytes.length < all;
  let text = textOf(bytes);
  for (let end = bytes.length - 1; text === null && cut && end > bytes.length - 4 && end > 0; end--) {
    text = textOf(bytes.subarray(0, end)); // the range may end within a character.
  }
  const rest = (shown) => shown < all && el("p", { class: "quiet" }, `The first ${bytesText(shown)} of ${bytesText(all)}.`);
  if (text !== null) {
    return el("div", {}, el("pre", { class: "value", tabindex: "0", "aria-label": "Value", dir: "auto" }, text), rest(bytes.length));
  }
  const perRow = window.matchMedia("(max-width: 40rem)").matches ? 8 : 16;
  const shown = bytes.subarray(0, hexBytesMax);
  return el("div", {}, el("p", { class: "quiet" }, "This value is no text: its bytes in hexadecimal."),
    el("pre", { class: "value hex", tabindex: "0", "aria-label": "Value in hexadecimal" }, hexDump(shown, perRow)),
    rest(shown.length));
}
