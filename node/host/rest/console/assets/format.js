// Figures, times and bytes in words. Pure functions.

// bytesText is a size for people.
export function bytesText(n) {
  if (n < 1024) return `${n} ${n === 1 ? "byte" : "bytes"}`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let i = -1;
  do { n /= 1024; i++; } while (n >= 1024 && i < units.length - 1);
  return `${n < 10 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}

// count is a number with its noun: "1 member", "3 members".
export function count(n, noun, nouns = `${noun}s`) {
  return `${n.toLocaleString("en")} ${n === 1 ? noun : nouns}`;
}

// shortDuration prints two units at most, as kvs status does: 3d4h, 4h5m, 5m6s, 6s.
export function shortDuration(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  const days = Math.floor(s / 86400), hours = Math.floor(s / 3600) % 24, minutes = Math.floor(s / 60) % 60;
  if (days > 0) return `${days}d${hours}h`;
  if (hours > 0) return `${hours}h${minutes}m`;
  if (minutes > 0) return `${minutes}m${s % 60}s`;
  return `${s}s`;
}

// clock is the time of day of a Date.
export function clock(date) {
  return date.toLocaleTimeString(undefined, { hour12: false });
}

// moment is a date and a time, of what Date reads.
export function moment(value) {
  const date = new Date(value);
  return Number.isNaN(date.getTime()) ? String(value) : date.toLocaleString(undefined, { hour12: false });
}

// stampMoment is the wall time of a hybrid timestamp, MILLISECONDS.COUNTER.
export function stampMoment(timestamp) {
  return moment(Number(String(timestamp).split(".")[0]));
}

// shortID is the beginning of an ETag, a UUID or a digest.
export function shortID(id) {
  return id.length > 13 ? `${id.slice(0, 12)}…` : id;
}

// textOf is the text that bytes are, or null: they are not UTF-8, or hold control characters that no text has.
export function textOf(bytes) {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\ufeff]/.test(text) ? null : text;
  } catch {
    return null;
  }
}

// hexDump shows bytes as hexdump -C does, so many of them in a row.
export function hexDump(bytes, perRow) {
  const rows = [];
  for (let at = 0; at < bytes.length; at += perRow) {
    const row = [...bytes.subarray(at, at + perRow)];
    const hex = row.map((b) => b.toString(16).padStart(2, "0")).join(" ").padEnd(perRow * 3 - 1);
    const letters = row.map((b) => (b >= 0x20 && b < 0x7f ? String.fromCharCode(b) : ".")).join("");
    rows.push(`${at.toString(16).padStart(6, "0")}  ${hex}  ${letters}`);
  }
  return rows.join("\n");
}
