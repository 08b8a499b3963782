// The REST API of the node that has served the page. All requests go there, with the token in their Authorization header.
//
// The token is in the memory of this page, and if its owner wants so in sessionStorage, which ends with the tab. It is
// never in a cookie, so no other site can make this browser use it, and never in a URL.

const storageKey = "kvs.token";
let token = sessionStorage.getItem(storageKey) || "";

// hasToken reports whether a token is known.
export function hasToken() { return token !== ""; }

// setToken takes a token; keep: also for when the page is loaded again in this tab. Empty: the token is forgotten.
export function setToken(text, keep) {
  token = text;
  sessionStorage.removeItem(storageKey);
  if (keep && token !== "") sessionStorage.setItem(storageKey, token);
}

// inClear reports whether a token would travel without TLS, over a network.
export function inClear() {
  const local = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  return location.protocol !== "https:" && !local;
}

// Problem is an answer that is no success, or no answer: then its status is 0.
export class Problem extends Error {
  constructor(status, doc, headers) {
    super(doc.detail || doc.title);
    this.status = status;
    this.code = doc.code || "";
    this.title = titles[this.status] || doc.title;
    this.detail = doc.detail || "";
    this.outcome = doc.outcome || ""; // of a write.
    this.headers = headers;
    if (this.outcome === "unknown") {
      this.detail += " — It may have happened, or happen yet: look at the value before you try again.";
    }
  }
}

const titles = {
  401: "A token is required",
  403: "This token may not do that",
  429: "Too many requests",
};

const listeners = new Set();

// onAnswer calls listener after each request: with null, or with the Problem.
export function onAnswer(listener) { listeners.add(listener); }

function tell(problem) {
  for (const l of listeners) l(problem);
  return problem;
}

// request returns the response of a success, and throws a Problem otherwise. An AbortError is passed on.
export async function request(method, target, { headers = {}, body, signal } = {}) {
  const all = new Headers(headers);
  if (token !== "") all.set("Authorization", `Bearer ${token}`);
  let response;
  try {
    response = await fetch(target, { method, headers: all, body, signal, cache: "no-store", redirect: "error" });
  } catch (e) {
    if (e.name === "AbortError") throw e;
    throw tell(new Problem(0, { title: "This node does not answer",
      detail: "It is down, or the network is: the page goes on as soon as it answers." }));
  }
  if (response.ok) {
    tell(null);
    return response;
  }
  if (method === "HEAD" && response.status !== 404) { // the words of the problem are in a body.
    await request("GET", target, { headers: { ...headers, Range: "bytes=0-0" }, signal });
  }
  let doc = { title: `${response.status} ${response.statusText}` };
  try { doc = { ...doc, ...await response.json() }; } catch { /* not all problems have a body: HEAD. */ }
  throw tell(new Problem(response.status, doc, response.headers));
}

// json is the document of a GET.
export async function json(target, options) {
  return (await request("GET", target, options)).json();
}

const escaped = (path) => path.split("/").map(encodeURIComponent).join("/");

// keyURL is where a value or a directory is.
export function keyURL(path, parameters = {}) { return withQuery(`/kv/${escaped(path)}`, parameters); }

// candidateURL is where a write of a conflict is.
export function candidateURL(path, uuid) { return withQuery(`/conflicts/${escaped(path)}`, { uuid }); }

// withQuery adds parameters to a target. Those that are undefined or empty are left out.
export function withQuery(target, parameters) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, v]) => v !== undefined && v !== ""));
  return query.size > 0 ? `${target}?${query}` : target;
}

// keyHash is the address, in this page, of a value or a directory.
export function keyHash(path) { return `#/keys/${escaped(path)}`; }

// newHash is the address of the form for a new value, whose path begins so.
export function newHash(path) { return `#/new/${escaped(path)}`; }

// decoded is the text that a part of the address of this page stands for; null: it cannot be decoded.
export function decoded(rest) {
  try {
    return decodeURIComponent(rest);
  } catch {
    return null;
  }
}

// metaOf is what the headers of an answer say of a value.
export function metaOf(headers) {
  return {
    etag: headers.get("ETag") || "", // with its quotes.
    timestamp: headers.get("Kvs-Timestamp") || "",
    expires: headers.get("Kvs-Expires") || "",
    contentType: headers.get("Content-Type") || "",
    bytes: Number(headers.get("Content-Length") || 0),
  };
}

// download saves what a URL has as a file. The bytes have the type of no page, so no browser opens them as one.
export async function download(target, name) {
  const bytes = await (await request("GET", target)).arrayBuffer();
  const url = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}
