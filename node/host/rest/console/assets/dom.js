// Elements, messages and questions. Text from the cluster reaches the page here alone, and always as a text node: no
// string is ever read as markup.

// A table that a narrow window lays out as cards is a table all the same for screen readers.
const tableRoles = { table: "table", thead: "rowgroup", tbody: "rowgroup", tr: "row", td: "cell" };

// el makes an element. In attributes, "on" has listeners by event; null, undefined and false leave an attribute out.
// Children that are null, undefined or false are left out; strings become text.
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  if (name in tableRoles) node.setAttribute("role", tableRoles[name]);
  if (name === "th") node.setAttribute("role", attributes.scope === "row" ? "rowheader" : "columnheader");
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "on") {
      for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    } else {
      node.setAttribute(key, value === true ? "" : String(value));
    }
  }
  node.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

// button is one that does something. The attributes are those of el.
export function button(text, onClick, attributes = {}) {
  return el("button", { type: "button", on: { click: onClick }, ...attributes }, text);
}

// field is a labelled control with an optional hint.
let fields = 0;
export function field(label, control, hint) {
  const id = control.id || `field-${++fields}`;
  control.id = id;
  if (hint) control.setAttribute("aria-describedby", `${id}-hint`);
  return el("div", { class: "field" }, el("label", { for: id }, label), control,
    hint && el("p", { class: "hint", id: `${id}-hint` }, hint));
}

// replace puts children in place of what node has, and leaves the focus on the element of the same data-focus.
export function replace(node, ...children) {
  const focused = node.contains(document.activeElement) && document.activeElement.dataset.focus;
  node.replaceChildren(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
  if (focused) {
    [...node.querySelectorAll("[data-focus]")].find((n) => n.dataset.focus === focused)?.focus();
  }
}

const messagesMax = 1; // more would cover the page.
const messageMillis = 8000;

// say shows a message that ends by itself, and that screen readers read out.
export function say(text) {
  const list = document.getElementById("messages");
  const line = el("div", { class: "message" }, el("span", {}, text));
  line.append(button("Dismiss", () => line.remove(), { class: "plain" }));
  list.append(line);
  while (list.children.length > messagesMax) list.firstChild.remove();
  setTimeout(() => line.remove(), messageMillis);
}

// notice is a part of the page that says what went wrong, and offers what to do.
export function notice(kind, title, text, ...actions) {
  return el("div", { class: `notice ${kind}`, role: kind === "problem" ? "alert" : "status", tabindex: "-1" },
    el("strong", {}, title), text && el("p", {}, text), actions.length > 0 && el("div", { class: "actions" }, actions));
}

// failed is the notice of an error.
export function failed(error, ...actions) {
  return notice("problem", error.title || "That did not work", error.detail || error.message, ...actions);
}

// ask asks a question, and resolves with true if the answer is the given action. Escape and Cancel answer no.
export function ask(title, text, action, danger = false) {
  return new Promise((resolve) => {
    const dialog = el("dialog", { "aria-labelledby": "dialog-title" });
    const end = (answer) => () => dialog.close(answer);
    dialog.append(el("h2", { id: "dialog-title" }, title), el("p", {}, text),
      el("div", { class: "actions" },
        button(action, end("yes"), { class: danger ? "danger" : "primary" }),
        button("Cancel", end("no"), { autofocus: true })));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

// spinner stands where something is being loaded.
export function loading(text = "Loading…") {
  return el("p", { class: "quiet loading", role: "status" }, text);
}
