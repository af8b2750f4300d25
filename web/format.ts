import { settings } from "./settings.ts";

/** `1:05`, `1:01:05`. */
export function clockOf(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const part = (unit: number, count: number) => Math.floor(whole / unit) % count;
  const two = (value: number) => String(value).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  return hours > 0 ? `${hours}:${two(part(60, 60))}:${two(part(1, 60))}` : `${part(60, 60)}:${two(part(1, 60))}`;
}

/** `14.3 MB`, in the page's language. */
export function bytesOf(bytes: number): string {
  const [unit, size] = bytes >= 1e9 ? (["gigabyte", 1e9] as const) : (["megabyte", 1e6] as const);
  return number(bytes / size, { style: "unit", unit, maximumFractionDigits: 1 });
}

/** `14×`, with a fraction below ten. */
export function speedOf(speed: number): string {
  return `${number(speed, { maximumFractionDigits: speed < 10 ? 1 : 0 })}×`;
}

export function percentOf(share: number): string {
  return number(share, { style: "percent", maximumFractionDigits: 0 });
}

export function secondsOf(seconds: number): string {
  return number(seconds, { style: "unit", unit: "second", maximumFractionDigits: 1, minimumFractionDigits: 1 });
}

export function millisecondsOf(ms: number): string {
  return number(ms, { style: "unit", unit: "millisecond", maximumFractionDigits: 0 });
}

export function timeOf(date: number): string {
  return new Intl.DateTimeFormat(settings.uiLanguage.value, { dateStyle: "medium", timeStyle: "short" }).format(date);
}

function number(value: number, options: Intl.NumberFormatOptions): string {
  return new Intl.NumberFormat(settings.uiLanguage.value, options).format(value);
}
