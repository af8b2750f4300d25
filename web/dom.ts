import { effect, onCleanup, scope } from "./reactive.ts";

/** What an element may hold. A function is called again whenever a signal that it reads changes. */
export type Child = Node | string | number | false | null | undefined | readonly Child[] | (() => Child);

type Value = string | number | boolean | null | undefined;
type Props = Readonly<Record<string, Value | (() => Value) | ((event: never) => unknown)>>;

/** What is set as a property: the attribute of that name is only where it starts. */
const PROPERTIES = new Set(["value", "checked", "disabled", "hidden", "open", "indeterminate", "src", "playbackRate"]);

/** An element. `on…` are listeners; any other function is followed. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  // Children first: a select takes a value only once it has the option.
  append(element, children);
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value as EventListener);
    else if (typeof value === "function") effect(() => assign(element, name, (value as () => Value)()));
    else assign(element, name, value);
  }
  return element;
}

function assign(element: Element, name: string, value: Value): void {
  if (PROPERTIES.has(name)) Reflect.set(element, name, value ?? "");
  else if (value === false || value === null || value === undefined) element.removeAttribute(name);
  else element.setAttribute(name, value === true ? "" : String(value));
}

export function append(parent: Node, children: readonly Child[]): void {
  for (const child of children) {
    if (typeof child === "function") follow(parent, child);
    else if (Array.isArray(child)) append(parent, child);
    else if (child instanceof Node) parent.appendChild(child);
    else if (typeof child === "number" || (typeof child === "string" && child !== "")) {
      parent.appendChild(document.createTextNode(String(child)));
    }
  }
}

/** Keeps what a function returns between two marks. A text that stays a text is changed in place. */
function follow(parent: Node, read: () => Child): void {
  const start = document.createTextNode("");
  const end = document.createTextNode("");
  parent.appendChild(start);
  parent.appendChild(end);
  let text: Text | undefined;
  effect(() => {
    const child = read();
    if (text && typeof child === "string" && child !== "") {
      if (text.data !== child) text.data = child;
      return;
    }
    while (start.nextSibling && start.nextSibling !== end) start.nextSibling.remove();
    const holder = document.createDocumentFragment();
    append(holder, [child]);
    text = typeof child === "string" && child !== "" ? (holder.firstChild as Text) : undefined;
    end.before(holder);
  });
}

/** How long elements are made before the page gets its turn. */
const AT_ONCE_MS = 10;

/**
 * Keeps one element for each item of a list, in its order; that of an item that stays is left as it is. A long list is
 * made in parts, and is busy meanwhile.
 */
export function each<T extends object>(
  parent: HTMLElement,
  items: () => readonly T[],
  render: (item: T) => HTMLElement,
): void {
  const made = new Map<T, { readonly element: HTMLElement; readonly stop: () => void }>();
  const make = (item: T) => {
    let element!: HTMLElement;
    const stop = scope(() => {
      element = render(item);
    });
    const entry = { element, stop };
    made.set(item, entry);
    return entry;
  };
  effect(() => {
    const list = items();
    const wanted = new Set(list);
    for (const [item, { element, stop }] of made) {
      if (wanted.has(item)) continue;
      stop();
      element.remove();
      made.delete(item);
    }
    let later: ReturnType<typeof setTimeout> | undefined;
    const show = () => {
      const end = performance.now() + AT_ONCE_MS;
      let place = parent.firstChild;
      for (const item of list) {
        const known = made.get(item);
        if (!known && performance.now() > end) {
          parent.setAttribute("aria-busy", "true");
          later = setTimeout(show);
          return;
        }
        const { element } = known ?? make(item);
        if (element === place) place = place.nextSibling;
        else parent.insertBefore(element, place);
      }
      parent.removeAttribute("aria-busy");
    };
    show();
    onCleanup(() => clearTimeout(later));
  });
  onCleanup(() => {
    for (const { stop } of made.values()) stop();
  });
}
