// Text widgets are Markdown. Of it there are headings, lists, paragraphs, **bold**,
// `code` and links; all else is shown as it is written. Elements are made one by
// one and nothing is ever taken for HTML.
import { html } from "./dom.js";

// markdown returns the elements of a text.
export function markdown(text) {
  const elements = [];
  let lines = [];
  let items = [];
  const end = () => {
    if (lines.length > 0) elements.push(html("p", {}, ...inline(lines.join(" "))));
    if (items.length > 0) elements.push(html("ul", {}, ...items));
    [lines, items] = [[], []];
  };
  for (const line of text.split("\n")) {
    const [, marks, title] = /^(#{1,6})\s+(.*)$/.exec(line) ?? [];
    const [, item] = /^\s*[-*]\s+(.*)$/.exec(line) ?? [];
    if (marks !== undefined) {
      end();
      // The page has the h1.
      elements.push(html(`h${Math.min(marks.length + 1, 6)}`, { class: `level-${marks.length}` }, ...inline(title)));
    } else if (item !== undefined) {
      if (lines.length > 0) end();
      items.push(html("li", {}, ...inline(item)));
    } else if (line.trim() === "") {
      end();
    } else {
      if (items.length > 0) end();
      lines.push(line.trim());
    }
  }
  end();
  return elements;
}

// inline returns the nodes of a line.
function inline(text) {
  const nodes = [];
  let rest = 0;
  for (const match of text.matchAll(/\*\*([^*]+)\*\*|`([^`]+)`|\[([^\]]+)\]\((https?:[^\s)]+)\)/g)) {
    nodes.push(text.slice(rest, match.index));
    const [whole, bold, code, label, address] = match;
    if (bold !== undefined) nodes.push(html("strong", {}, bold));
    else if (code !== undefined) nodes.push(html("code", {}, code));
    else nodes.push(html("a", { href: address, rel: "noreferrer noopener", target: "_blank" }, label));
    rest = match.index + whole.length;
  }
  nodes.push(text.slice(rest));
  return nodes.filter((node) => node !== "");
}
