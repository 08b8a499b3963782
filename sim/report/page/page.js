"use strict";
// The data of one run, see the type data in report.go. Times are microseconds since the beginning.
const D = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id);
const text = (id, s) => { $(id).textContent = s; };
const clamp = (v, low, high) => Math.max(low, Math.min(high, v));

// ---- Colours. The style sheet has those of the page, for a light and for a dark one.

let dark = false, css = {};
function readColors() {
  dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const style = getComputedStyle(document.documentElement);
  for (const name of ["ink", "dim", "grid", "lane", "paper", "bad", "good", "label", "on-color"]) {
    css[name] = style.getPropertyValue("--" + name).trim();
  }
}

// Kinds of messages differ by colour, and after eight colours by the dashes of the line too: 24 look different.
const hues = [212, 28, 275, 165, 48, 330, 190, 100];
const dashes = [[], [7, 3], [2, 3]];
const gossip = D.kinds.indexOf("gossip");
const counts = D.kinds.map(() => 0);
for (const m of D.messages) counts[m[4]]++;
const rank = [];
D.kinds.map((_, i) => i).filter(i => i !== gossip).sort((a, b) => counts[b] - counts[a])
  .forEach((kind, place) => { rank[kind] = place; });
function kindColor(kind) {
  if (kind === gossip) return dark ? "#596275" : "#b0b7c6";
  const hue = hues[rank[kind] % hues.length];
  return `hsl(${hue} ${dark ? 75 : 80}% ${dark ? 66 : 36}%)`;
}
const kindDash = kind => kind === gossip ? [] : dashes[Math.floor(rank[kind] / hues.length) % dashes.length];
const classColor = ["#f9a825", "#8e24aa", "#607d8b", "#8d6e63", "#777"];
const className = ["network", "clock", "process", "disk", "everything"];
const markColor = ["#2e9e46", "#d84343", "#ef6c00", "#2e9e46", "#90a4ae", "#a44bc0", "#6f8793", "#d84343"];
const markName = ["start", "crash", "pause", "resume", "persist", "decision", "log", "broken promise"];
const statusColor = { ok: "#43a047", fail: "#9e9e9e", info: "#fb8c00", open: "#fb8c00" };

// ---- What is shown.

const shown = D.kinds.map((_, i) => i !== gossip);
let filter = "", aboutOnly = false;
let related = null; // by index of a detail: whether it is about the path; null: all are shown.

// A message is about a path when its description names it, or names the batch of a message that does.
function relate() {
  related = null;
  if (!aboutOnly || !filter) return;
  const escaped = filter.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const names = new RegExp(`(^|[\\s"])${escaped}($|[\\s",;:])`);
  related = D.details.map(d => names.test(d));
  const batches = new Set();
  D.details.forEach((d, i) => { const b = related[i] && /\bbatch \d+/.exec(d); if (b) batches.add(b[0]); });
  D.details.forEach((d, i) => { const b = /\bbatch \d+/.exec(d); if (b && batches.has(b[0])) related[i] = true; });
}
const visible = m => shown[m[4]] && (!related || related[m[7]]);

// A client that does not know how an operation ended goes on under another number: processes that do not overlap share a
// lane.
const lanes = [], laneOf = {};
for (const p of [...new Set(D.operations.map(o => o.process))].sort((a, b) => a - b)) {
  const ops = D.operations.filter(o => o.process === p), to = ops.reduce((m, o) => Math.max(m, o.to), 0);
  let lane = lanes.findIndex(end => end < ops[0].from);
  if (lane < 0) { lane = lanes.length; lanes.push(0); }
  lanes[lane] = to;
  laneOf[p] = lane;
}
let maxDelay = 0, maxOp = 0;
for (const m of D.messages) maxDelay = Math.max(maxDelay, m[3] - m[2]);
for (const o of D.operations) maxOp = Math.max(maxOp, o.to - o.from);

// ---- Geometry.

const left = 54, top0 = 34;
let W = 0, H = 0, ratio = 1, t0 = 0, t1 = D.end || 1;
let pick = null, hits = [], jumpAt = null, suspects = new Set();
const cv = $("c"), g = cv.getContext("2d");
function heights() {
  const client = clamp((H - top0) * .35 / Math.max(1, lanes.length), 5, 16);
  return { client, node: Math.max(36, (H - top0 - 20 - client * lanes.length) / Math.max(1, D.nodes)) };
}
const x = t => left + (t - t0) / (t1 - t0) * (W - left - 10);
const time = px => t0 + (px - left) / (W - left - 10) * (t1 - t0);
const yNode = n => top0 + heights().node * (n - .5);
const yClient = lane => top0 + heights().node * D.nodes + 14 + heights().client * (lane + .5);
function first(list, at, of) { // the first one at or after a time.
  let low = 0, high = list.length;
  while (low < high) { const mid = low + high >> 1; if (of(list[mid]) < at) low = mid + 1; else high = mid; }
  return low;
}
function stamp(us) {
  if (us >= 1e6) return (us / 1e6).toFixed(6) + " s";
  return us >= 1000 ? (us / 1000).toFixed(3) + " ms" : us + " us";
}

// ---- Drawing.

function drawTicks() {
  const span = t1 - t0, most = clamp(Math.floor((W - left) / 75), 2, 10);
  let step = Math.pow(10, Math.floor(Math.log10(span / most)));
  for (const m of [1, 2, 5, 10]) if (span / (step * m) <= most) { step *= m; break; }
  step = Math.max(1, step);
  g.fillStyle = css.dim; g.strokeStyle = css.grid; g.textAlign = "center"; g.lineWidth = 1;
  const digits = clamp(6 - Math.floor(Math.log10(step)), 0, 6);
  for (let t = Math.ceil(t0 / step) * step; t <= t1; t += step) {
    const p = x(t);
    g.beginPath(); g.moveTo(p, top0 - 8); g.lineTo(p, H); g.stroke();
    g.fillText((t / 1e6).toFixed(digits) + "s", p, 14);
  }
}

function drawBands() {
  const h = heights().node, taken = {}; // by lane: the labels in it, as [from, to, row].
  for (const b of D.bands) {
    if (b.to < t0 || b.from > t1) continue;
    const nodes = b.nodes.length ? [...new Set(b.nodes)] : [...Array(D.nodes).keys()].map(i => i + 1);
    const a = Math.max(left, x(b.from)), e = Math.max(a + 2, Math.min(W, x(b.to)));
    g.fillStyle = classColor[b.class];
    for (const n of nodes) {
      const y = yNode(n) - h / 2 + 3 + b.class * 3;
      g.globalAlpha = b.class === 2 ? .22 : .10; g.fillRect(a, yNode(n) - h / 2 + 2, e - a, h - 4);
      g.globalAlpha = .9; g.fillRect(a, y, e - a, 3);
      hits.push([a, y - 2, e - a, 7, "band", b]);
    }
    g.globalAlpha = 1;
    g.font = "11px system-ui";
    const n = nodes[0], width = Math.min(g.measureText(b.text).width, e - a - 6), list = taken[n] ||= [];
    if (width < 40) continue;
    // A label takes the first free row of its lane; without one it is left to the click.
    const rows = Math.max(1, Math.floor((h / 2 - 14) / 12));
    let row = 0;
    while (row < rows && list.some(l => l[2] === row && l[0] < a + 3 + width && a + 3 < l[1])) row++;
    if (row === rows) continue;
    list.push([a + 3, a + 9 + width, row]);
    const y = yNode(n) - h / 2 + 18 + 12 * row;
    g.save(); g.beginPath(); g.rect(a, y, width + 4, 13); g.clip();
    g.textAlign = "left"; g.fillStyle = css.label; g.fillText(b.text, a + 3, y + 10); g.restore();
  }
  g.font = "12px system-ui";
}

// When there are too many to draw, lost messages and those of rare kinds go last: each gets an equal share of the room
// that rarer ones leave.
function thin(list, most) {
  if (list.length <= most) return list;
  const groups = new Map();
  for (const m of list) {
    const k = m[6] & 1 ? -1 : m[4];
    if (!groups.has(k)) groups.set(k, []);
    groups.get(k).push(m);
  }
  let room = most, rest = groups.size;
  const kept = new Set();
  for (const group of [...groups.values()].sort((a, b) => a.length - b.length)) {
    const every = Math.max(1, Math.ceil(group.length / Math.max(1, room / rest)));
    for (let i = 0; i < group.length; i += every) { kept.add(group[i]); room--; }
    rest--;
  }
  return list.filter(m => kept.has(m));
}

function drawMessages() {
  const list = [], most = 5000;
  for (let i = first(D.messages, t0 - maxDelay, m => m[2]); i < D.messages.length && D.messages[i][2] <= t1; i++) {
    const m = D.messages[i];
    if (m[3] >= t0 && visible(m)) list.push(m);
  }
  const drawn = thin(list, most);
  text("note", (drawn.length < list.length
    ? `Drawing ${drawn.length} of ${list.length} messages, lost and rare ones first: zoom in to see all. `
    : `${list.length} messages in view. `) + (D.left ? `${D.left} earlier events made room for later ones.` : ""));
  const alpha = clamp(900 / Math.max(1, drawn.length), .25, .85);
  for (const m of drawn) {
    const lost = m[6] & 1;
    let ax = x(m[2]), ay = yNode(m[0]), bx = x(m[3]), by = yNode(m[1]);
    if (lost && bx - ax < 8) { bx = ax + 4; by = ay + (by - ay) * .3; }
    g.globalAlpha = m === pick ? 1 : alpha;
    g.strokeStyle = g.fillStyle = lost ? css.bad : kindColor(m[4]);
    g.lineWidth = m === pick ? 3 : 1.2;
    g.setLineDash(lost ? [3, 3] : kindDash(m[4]));
    g.beginPath();
    if (m[0] === m[1]) g.arc((ax + bx) / 2, ay - 6, clamp((bx - ax) / 2, 3, 9), 0, 6.3);
    else { g.moveTo(ax, ay); g.lineTo(bx, by); }
    g.stroke(); g.setLineDash([]);
    if (drawn.length < 1500 && m[0] !== m[1]) {
      const angle = Math.atan2(by - ay, bx - ax);
      if (lost) { g.textAlign = "center"; g.fillText("\u00d7", bx, by + 4); } else {
        g.beginPath(); g.moveTo(bx, by);
        for (const turn of [-.35, .35]) g.lineTo(bx - 6 * Math.cos(angle + turn), by - 6 * Math.sin(angle + turn));
        g.fill();
      }
    }
    hits.push([ax, ay, bx, by, "message", m]);
  }
  g.globalAlpha = 1;
}

function drawMarks() {
  const last = new Int32Array((D.nodes + 1) * 8).fill(-1e9); // by member and kind: where the last one was drawn.
  for (let i = first(D.marks, t0, m => m.at); i < D.marks.length && D.marks[i].at <= t1; i++) {
    const m = D.marks[i], p = Math.round(x(m.at)), y = m.node ? yNode(m.node) : top0, key = m.node * 8 + m.kind;
    if (last[key] === p) continue;
    last[key] = p;
    g.fillStyle = markColor[m.kind];
    if (m.kind === 4 || m.kind === 6) { // persists and log lines are many.
      const dy = m.kind === 4 ? 3 : -8;
      g.fillRect(p - 1, y + dy, 2, 5);
      hits.push([p - 2, y + dy, 5, 6, "mark", m]);
    } else if (m.kind === 1) {
      g.font = "bold 15px system-ui"; g.textAlign = "center"; g.fillText("\u2716", p, y + 5); g.font = "12px system-ui";
      hits.push([p - 7, y - 7, 14, 14, "mark", m]);
    } else {
      g.beginPath(); g.arc(p, y, 4.5, 0, 6.3); g.fill();
      hits.push([p - 5, y - 5, 10, 10, "mark", m]);
    }
    if (m === pick) { g.strokeStyle = css.ink; g.lineWidth = 2; g.strokeRect(p - 6, y - 9, 12, 18); }
  }
}

function drawOperations() {
  const h = Math.max(3, heights().client - 2);
  for (let i = first(D.operations, t0 - maxOp, o => o.from); i < D.operations.length && D.operations[i].from <= t1; i++) {
    const o = D.operations[i];
    if (o.to < t0) continue;
    const a = x(o.from), w = Math.max(2, x(o.to) - a), y = yClient(laneOf[o.process]) - h / 2;
    const match = !filter || o.path === filter;
    g.globalAlpha = match ? 1 : .15;
    g.fillStyle = o.kind !== "get" && o.status === "ok" && w <= 5 ? "#1565c0" : statusColor[o.status];
    g.fillRect(a, y, w, h);
    if (o.kind !== "get" && w > 5) { g.fillStyle = "#0d47a1"; g.fillRect(a, y, Math.min(3, w), h); }
    if (w > 60 && h > 9 && match) {
      g.save(); g.beginPath(); g.rect(a, y, w - 2, h); g.clip();
      g.fillStyle = "#fff"; g.textAlign = "left"; g.font = "10px system-ui";
      g.fillText(o.text, Math.max(a, left) + 5, y + h - 3); g.restore(); g.font = "12px system-ui";
    }
    g.globalAlpha = 1;
    if (o === pick || suspects.has(o)) {
      g.strokeStyle = o === pick ? css.ink : css.bad; g.lineWidth = 2; g.strokeRect(a - 1, y - 1, w + 2, h + 2);
      const n = +o.node.slice(1);
      if (n) { // where it was asked, and when.
        g.setLineDash([2, 3]); g.lineWidth = 1;
        for (const p of [a, a + w]) { g.beginPath(); g.moveTo(p, y); g.lineTo(p, yNode(n)); g.stroke(); }
        g.setLineDash([]);
      }
    }
    hits.push([a, y, w, h, "operation", o]);
  }
}

function draw() {
  hits = [];
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  g.clearRect(0, 0, W, H);
  g.font = "12px system-ui";
  drawTicks();
  g.save(); g.beginPath(); g.rect(left, top0 - 10, W - left, H); g.clip();
  drawBands();
  g.strokeStyle = css.lane; g.lineWidth = 1;
  for (let n = 1; n <= D.nodes; n++) { g.beginPath(); g.moveTo(left, yNode(n)); g.lineTo(W, yNode(n)); g.stroke(); }
  drawMessages(); drawMarks(); drawOperations();
  g.lineWidth = 1;
  const recovered = x(D.recovered);
  g.strokeStyle = g.fillStyle = css.good; g.setLineDash([6, 4]); g.textAlign = "left";
  g.beginPath(); g.moveTo(recovered, top0 - 8); g.lineTo(recovered, H); g.stroke(); g.setLineDash([]);
  g.fillText("faults end", recovered + 4, top0 - 1);
  for (const v of D.violations) {
    const p = x(v.at);
    g.strokeStyle = css.bad; g.lineWidth = 2; g.beginPath(); g.moveTo(p, top0 - 8); g.lineTo(p, H); g.stroke();
  }
  if (jumpAt !== null) {
    g.fillStyle = css.bad; g.globalAlpha = .1; g.fillRect(x(jumpAt) - 14, top0 - 8, 28, H); g.globalAlpha = 1;
  }
  g.restore();
  g.fillStyle = css.ink; g.textAlign = "right"; g.font = "bold 13px system-ui";
  for (let n = 1; n <= D.nodes; n++) g.fillText("n" + n, left - 10, yNode(n) + 4);
  g.font = "11px system-ui"; g.fillStyle = css.dim;
  if (lanes.length) g.fillText("clients", left - 8, yClient((lanes.length - 1) / 2) + 4);
}

function drawLegend() {
  $("kinds").textContent = "";
  D.kinds.map((_, i) => i).sort((a, b) => counts[b] - counts[a]).forEach(i => {
    const label = document.createElement("label"), box = document.createElement("input");
    const line = document.createElement("canvas");
    box.type = "checkbox"; box.checked = shown[i];
    box.onchange = () => { shown[i] = box.checked; draw(); };
    line.width = 52; line.height = 18;
    const c = line.getContext("2d");
    c.scale(2, 2); c.strokeStyle = kindColor(i); c.lineWidth = 2.5; c.setLineDash(kindDash(i));
    c.beginPath(); c.moveTo(0, 4.5); c.lineTo(26, 4.5); c.stroke();
    label.append(box, line, `${D.kinds[i]} ${counts[i]}`);
    $("kinds").append(label);
  });
}

function size() {
  ratio = devicePixelRatio || 1;
  const r = cv.parentElement.getBoundingClientRect();
  W = r.width; H = r.height;
  cv.width = W * ratio; cv.height = H * ratio;
  cv.style.width = W + "px"; cv.style.height = H + "px";
  draw();
}

// ---- Moving.

let pending = false;
function soon() { if (!pending) { pending = true; requestAnimationFrame(() => { pending = false; draw(); }); } }
function view(a, b) {
  const span = clamp(b - a, 20, D.end * 1.04 + 1);
  t0 = clamp(a, -D.end * .02, D.end * 1.02 - span);
  t1 = t0 + span;
  soon();
}
function zoom(factor, at) { view(at - (at - t0) * factor, at + (t1 - at) * factor); }
const middle = () => (t0 + t1) / 2, shift = share => view(t0 + (t1 - t0) * share, t1 + (t1 - t0) * share);
const moves = {
  ArrowLeft: () => shift(-.2), ArrowRight: () => shift(.2), "+": () => zoom(.6, middle()), "=": () => zoom(.6, middle()),
  "-": () => zoom(1.6, middle()), "0": () => view(0, D.end), Escape: () => $("picture").classList.remove("on"),
};
addEventListener("keydown", e => {
  if (e.target.type === "text" || e.ctrlKey || e.metaKey || e.altKey || !moves[e.key]) return;
  moves[e.key]();
  e.preventDefault();
});
$("earlier").onclick = moves.ArrowLeft; $("later").onclick = moves.ArrowRight;
$("in").onclick = moves["+"]; $("out").onclick = moves["-"]; $("all").onclick = moves["0"];
cv.addEventListener("wheel", e => {
  e.preventDefault();
  if (Math.abs(e.deltaX) > Math.abs(e.deltaY)) shift(e.deltaX / W);
  else zoom(Math.exp(e.deltaY * .0016), time(e.offsetX));
}, { passive: false });

// One pointer drags, two zoom.
const pointers = new Map();
let start = null;
function begin() {
  const xs = [...pointers.values()];
  start = { a: t0, b: t1, moved: xs.length > 1 || !!(start && start.moved), xs: xs.slice(), at: xs.map(px => time(px)) };
}
const inside = e => e.clientX - cv.getBoundingClientRect().left;
cv.addEventListener("pointerdown", e => {
  if (!pointers.size) start = null;
  pointers.set(e.pointerId, inside(e)); cv.setPointerCapture(e.pointerId); cv.classList.add("drag"); begin();
});
cv.addEventListener("pointermove", e => {
  if (!pointers.has(e.pointerId)) return;
  pointers.set(e.pointerId, inside(e));
  const xs = [...pointers.values()];
  if (xs.length > 1) { // the times under both stay under them.
    const span = Math.abs(start.at[1] - start.at[0]) * (W - left - 10) / Math.max(10, Math.abs(xs[1] - xs[0]));
    const from = (start.at[0] + start.at[1]) / 2 - span * ((xs[0] + xs[1]) / 2 - left) / (W - left - 10);
    view(from, from + span);
    return;
  }
  const dx = xs[0] - start.xs[0];
  if (Math.abs(dx) > 3) start.moved = true;
  if (start.moved) { const d = dx / (W - left) * (start.b - start.a); view(start.a - d, start.b - d); }
});
function release(e) {
  if (!pointers.delete(e.pointerId)) return;
  if (pointers.size) { begin(); return; }
  cv.classList.remove("drag");
  if (e.type === "pointerup" && !start.moved) look(e.offsetX, e.offsetY);
}
cv.addEventListener("pointerup", release);
cv.addEventListener("pointercancel", release);

// ---- Looking.

function distance(hit, px, py) {
  if (hit[4] !== "message") {
    const in_ = px >= hit[0] - 3 && px <= hit[0] + hit[2] + 3 && py >= hit[1] - 3 && py <= hit[1] + hit[3] + 3;
    return in_ ? (hit[4] === "band" ? 5 : 0) : 1e9;
  }
  const [ax, ay, bx, by] = hit, dx = bx - ax, dy = by - ay, length = dx * dx + dy * dy;
  const u = length ? clamp(((px - ax) * dx + (py - ay) * dy) / length, 0, 1) : 0;
  return 1 + Math.hypot(px - ax - u * dx, py - ay - u * dy);
}
function look(px, py) {
  let best = null, nearest = 9;
  for (const hit of hits) { const d = distance(hit, px, py); if (d < nearest) { nearest = d; best = hit; } }
  pick = best ? best[5] : null;
  text("detail", best ? describe[best[4]](best[5]) : "Nothing there.");
  draw();
}
const describe = {
  message: m => `${D.kinds[m[4]]} from n${m[0]} to n${m[1]}${D.details[m[7]] ? "\n" + D.details[m[7]] : ""}\n` +
    `sent    ${stamp(m[2])}\n` + (m[6] & 1 ? `lost    ${stamp(m[3])}` :
      `arrived ${stamp(m[3])} (after ${stamp(m[3] - m[2])})`) + `\n${m[5]} bytes, ${m[6] & 2 ? "frame" : "datagram"}`,
  operation: o => `client process ${o.process} at ${o.node}: ${o.status}\n${o.text}` +
    (o.version ? `\nversion ${o.version}` : "") +
    `\nfrom ${stamp(o.from)}\nto   ${stamp(o.to)} (after ${stamp(o.to - o.from)})`,
  mark: m => `${markName[m.kind]}${m.node ? " at n" + m.node : ""}\n${stamp(m.at)}\n${m.text}`,
  band: b => `${className[b.class]} fault\n${b.text}\nfrom ${stamp(b.from)}\nto   ${stamp(b.to)}`,
};

// jump shows the moment of a broken promise, with the messages about its path.
function jump(v) {
  filter = v.path; $("path").value = v.path;
  aboutOnly = !!v.path; $("about").checked = aboutOnly;
  relate();
  if (related && !related.some(r => r)) { aboutOnly = $("about").checked = false; relate(); } // no message names it.
  let at = v.at, more = "";
  const on = D.operations.filter(o => o.path === v.path);
  if (v.path && on.length && at >= D.end * .99) {
    at = on[on.length - 1].to;
    more = "\nlast operation on the path ended at " + stamp(at);
  }
  let a = at, z = at;
  if (v.ops.length) {
    const ops = v.ops.map(i => D.operations[i]);
    a = Math.min(...ops.map(o => o.from)); z = Math.max(...ops.map(o => o.to)); at = z;
    more = "\n\n" + ops.map(o => `${o.text} at ${o.node}, ${stamp(o.from)} to ${stamp(o.to)}`).join("\n");
    suspects = new Set(ops);
  }
  jumpAt = at;
  const span = Math.max(Math.min(D.end, Math.max(2e5, D.end / 20)), (z - a) * 1.5), mid = (a + z) / 2;
  text("detail", (v.meaning ? v.meaning + "\n\n" : "") + v.text + "\nfound at " + stamp(v.at) + more);
  view(mid - span / 2, mid + span / 2);
}

// ---- The page.

document.title = D.title;
for (const id of ["title", "replay", "scenario", "line"]) text(id, D[id]);
text("verdict", D.verdict === "ok" ? "all promises held" : "broken: " + D.verdict);
if (D.verdict !== "ok") $("verdict").classList.add("bad");
if (D.other.file) {
  $("other").setAttribute("href", D.other.file);
  text("other", D.other.text);
  $("other").hidden = false;
}
for (const v of D.violations) {
  const b = document.createElement("button"), head = document.createElement("b"), meaning = document.createElement("span");
  b.type = "button"; b.className = "broken";
  head.textContent = `${stamp(v.at)}  broken: ${v.promise}`;
  meaning.textContent = v.meaning;
  b.append(head, meaning, v.text);
  b.onclick = () => jump(v);
  $("violations").append(b);
}
if (!D.violations.length) text("violations", "None: all promises held.");
$("path").oninput = e => { filter = e.target.value; relate(); soon(); };
$("about").onchange = e => { aboutOnly = e.target.checked; relate(); soon(); };
if (!D.picture) { $("open").disabled = true; text("open", "nothing to draw: no key is in doubt"); }
$("open").onclick = () => {
  const frame = document.querySelector("iframe");
  $("picture").classList.add("on");
  if (!frame.srcdoc) frame.srcdoc = D.picture;
};
$("close").onclick = moves.Escape;
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColors(); drawLegend(); draw(); });
addEventListener("resize", size);
readColors(); drawLegend(); size(); view(0, D.end);
// It opens at what broke. #violation=N, #from=US&to=US and #picture choose something else.
const want = new URLSearchParams(location.hash.slice(1));
const chosen = D.violations[want.has("violation") ? +want.get("violation") : 0];
if (chosen) jump(chosen);
if (want.has("from")) view(+want.get("from"), +want.get("to"));
if (want.has("picture")) $("open").click();
