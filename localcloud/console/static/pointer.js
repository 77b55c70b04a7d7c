// What a graph says of the moment that is pointed at.
import { awsTime, html, svg } from "./dom.js";
import { format, swatch } from "./graph.js";

// pointed is where each graph is pointed at, so that it stays when new data comes.
const pointed = new WeakMap();

// follow shows the values at the pointer, from now on and in the graph's place.
export function follow(area, frame, graph, colorOf) {
  const tip = html("div", { class: "tip", hidden: "" });
  const line = svg("line", { class: "pointer", y1: frame.top, y2: frame.bottom });
  line.style.display = "none";
  frame.root.append(line);
  area.append(tip);
  const show = (at) => {
    const count = graph.lines[0].values.length;
    const scaled = (at - frame.left) / (frame.x(frame.start + frame.period) - frame.left);
    const index = Math.min(Math.max(Math.round(scaled), 0), count - 1);
    const x = frame.x(frame.start + index * frame.period);
    line.setAttribute("x1", x);
    line.setAttribute("x2", x);
    line.style.display = "";
    tip.replaceChildren(html("time", {}, awsTime(frame.start + index * frame.period).slice(0, 16)),
      ...graph.lines.map((each, i) => html("div", {}, swatch(colorOf(each, i)), each.label, " ",
        html("b", {}, each.values[index] === null ? "–" : format(each.values[index])))));
    tip.hidden = false;
    const isRight = x > (frame.left + frame.right) / 2;
    tip.style.left = isRight ? "" : `${x + 8}px`;
    tip.style.right = isRight ? `${area.clientWidth - x + 8}px` : "";
  };
  area.onpointermove = ({ clientX }) => {
    const at = clientX - area.getBoundingClientRect().left;
    pointed.set(area, at);
    show(at);
  };
  area.onpointerleave = () => {
    pointed.delete(area);
    tip.hidden = true;
    line.style.display = "none";
  };
  if (pointed.has(area)) show(pointed.get(area));
}
