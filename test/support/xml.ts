/** An element of a document, its texts as they read. */
export interface XmlElement {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: (XmlElement | string)[];
}

const NAME = "[A-Za-z_][\\w:.-]*";
const OPEN = new RegExp(`<(${NAME})((?:\\s+${NAME}="[^"<]*")*)\\s*(/?)>`, "y");
const CLOSE = new RegExp(`</(${NAME})>`, "y");
const TEXT = /[^<]+/y;

/** Reads a document of elements and texts, and throws where XML 1.0 is not well-formed; nothing else of XML is known. */
export function parseXml(source: string): XmlElement {
  const root: XmlElement = { name: "", attributes: {}, children: [] };
  const open = [root];
  for (let at = 0; at < source.length; ) {
    const take = (pattern: RegExp) => {
      pattern.lastIndex = at;
      const match = pattern.exec(source);
      if (match) at = pattern.lastIndex;
      return match;
    };
    const top = open[open.length - 1];
    const [opened, closed, text] = [take(OPEN), take(CLOSE), take(TEXT)];
    if (opened) {
      const pairs = [...opened[2].matchAll(/([^\s=]+)="([^"]*)"/g)].map(([, key, value]) => [key, unescaped(value)]);
      const element = { name: opened[1], attributes: Object.fromEntries(pairs), children: [] };
      if (Object.keys(element.attributes).length < pairs.length) throw new Error(`${opened[0]}: an attribute twice`);
      top.children.push(element);
      if (opened[3] === "") open.push(element);
    }
    if (closed && open.pop()?.name !== closed[1]) throw new Error(`${closed[0]} closes ${top.name}`);
    if (text?.[0].includes("]]>")) throw new Error("]]> in a text");
    if (text) open[open.length - 1].children.push(unescaped(text[0]));
    if (!opened && !closed && !text) throw new Error(`expected markup, got ${source.slice(at, at + 40)}`);
  }
  const elements = root.children.filter((child) => typeof child !== "string");
  const outside = root.children.filter((child) => typeof child === "string").join("");
  if (open.length > 1 || elements.length !== 1 || outside.trim() !== "") throw new Error("expected one whole element");
  return elements[0];
}

/** All elements below and at one, in the order of the document. */
export function elementsOf(element: XmlElement): XmlElement[] {
  return [element, ...element.children.flatMap((child) => (typeof child === "string" ? [] : elementsOf(child)))];
}

/** The text of an element and of those in it. */
export function textIn({ children }: XmlElement): string {
  return children.map((child) => (typeof child === "string" ? child : textIn(child))).join("");
}

const NAMED: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function unescaped(text: string): string {
  const illegal = /[^\t\n\r -\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u.exec(text);
  if (illegal) throw new Error(`U+${illegal[0].charCodeAt(0).toString(16)} is not allowed`);
  return text.replace(/&([^;]*);?/g, (whole, name: string) => {
    const code = /^#(\d+)$/.exec(name)?.[1];
    const sign = code === undefined ? NAMED[name] : String.fromCodePoint(Number(code));
    if (sign === undefined || !whole.endsWith(";")) throw new Error(`${whole.slice(0, 20)} is no reference`);
    return sign;
  });
}
