/** Line drawings of 20 × 20, in the colour of the text. They say nothing to screen readers: the button beside them does. */
const PATHS = {
  play: "M6 4.5v11l9-5.5z",
  pause: "M6.5 4.5v11M13.5 4.5v11",
  edit: "M4 16h3l8.5-8.5-3-3L4 13zM11 6l3 3",
  close: "M5 5l10 10M15 5L5 15",
  retry: "M15.5 8A6 6 0 1 0 16 11M16 4.5V8h-3.5",
  download: "M10 3.5v9M6 9l4 4 4-4M4 16.5h12",
  copy: "M7 7V4h9v9h-3M4 7h9v9H4z",
  microphone:
    "M10 3a2.2 2.2 0 0 1 2.2 2.2v4a2.2 2.2 0 0 1-4.4 0v-4A2.2 2.2 0 0 1 10 3zM5 9.5a5 5 0 0 0 10 0M10 14.5V17",
  stop: "M6 6h8v8H6z",
  file: "M5 3h6l4 4v10H5zM11 3v4h4",
  folder: "M3 5.5h5l1.5 2H17v8.5H3z",
  sun: "M10 6.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7zM10 2v1.5M10 16.5V18M2 10h1.5M16.5 10H18M4.3 4.3l1 1M14.7 14.7l1 1M15.7 4.3l-1 1M5.3 14.7l-1 1",
  moon: "M16 11.5A6.5 6.5 0 1 1 8.5 4a5 5 0 0 0 7.5 7.5z",
  auto: "M10 3.5a6.5 6.5 0 1 0 0 13zM10 3.5a6.5 6.5 0 0 1 0 13",
  lock: "M6 9V7a4 4 0 0 1 8 0v2M5 9h10v7.5H5z",
  wave: "M3 10v0M6 7.5v5M10 4v12M14 7v6M17 10v0",
  check: "M4.5 10.5l3.5 3.5 7.5-8",
  warn: "M10 3.5l7 13H3zM10 8.5v3.5M10 14.2v.1",
} as const;

export type IconName = keyof typeof PATHS;

export function icon(name: IconName): SVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}
