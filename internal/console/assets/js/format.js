// How figures are written.

const plain = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** Three digits, and a unit of a list by powers of a base. */
function scaled(n, base, units) {
  let i = 0;
  while (Math.abs(n) >= base * 0.9995 && i < units.length - 1) {
    n /= base;
    i++;
  }
  const digits = i === 0 && base !== 1000 ? 0 : Math.abs(n) >= 99.95 || n === 0 || (i === 0 && Number.isInteger(n)) ? 0 : Math.abs(n) >= 9.995 ? 1 : 2;
  return [n.toFixed(digits), units[i]];
}

const join = ([n, unit]) => (unit ? `${n} ${unit}` : n);

export const count = (n) => plain.format(n);
export const short = (n) => (n < 1000 ? join(scaled(Math.round(n * 10) / 10, 1000, [""])) : join(scaled(n, 1000, ["", "k", "M", "G"])));
export const rate = (n) => `${short(n)}/s`;
export const bytes = (n) => join(scaled(n, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]));
/** A time in microseconds; 0 stands for none. */
export const time = (us) => (us > 0 ? join(scaled(us, 1000, ["µs", "ms", "s"])) : "–");
export const clock = (ms) => new Date(ms).toLocaleTimeString("en-GB");

/** A long time in seconds, in its two largest units. */
export function duration(s) {
  const parts = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const out = [];
  for (const [unit, size] of parts) {
    const n = Math.floor(s / size);
    s -= n * size;
    if (n > 0 || (unit === "s" && out.length === 0)) out.push(`${n} ${unit}`);
    if (out.length === 2) break;
  }
  return out.join(" ");
}
