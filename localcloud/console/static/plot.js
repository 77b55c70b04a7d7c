// The map of songs: a point per song on the two axes.
import { svg } from "./dom.js";

const size = 420;
const edge = 34;

// ends are the names of an axis' two ends, as in "明るい-暗い".
export function ends(axis) {
  const at = axis.indexOf("-");
  return at < 0 ? ["", axis] : [axis.slice(0, at), axis.slice(at + 1)];
}

// draw returns the map. Songs are {title, x, y} with x and y from -1 to 1; the
// first end of an axis lies left, or at the bottom.
export function draw(xAxis, yAxis, songs) {
  const x = (value) => edge + ((value + 1) / 2) * (size - 2 * edge);
  const y = (value) => size - x(value);
  const [left, right] = ends(xAxis);
  const [bottom, top] = ends(yAxis);
  const root = svg("svg", { viewBox: `0 0 ${size} ${size}`, role: "img", "aria-label": `${songs.length} songs on the axes ${xAxis} and ${yAxis}; the table below has the numbers` });
  for (const value of [-1, 0, 1]) {
    const style = value === 0 ? "axis-line" : "grid-line";
    root.append(
      svg("line", { class: style, x1: x(-1), x2: x(1), y1: y(value), y2: y(value) }),
      svg("line", { class: style, y1: y(-1), y2: y(1), x1: x(value), x2: x(value) }),
    );
  }
  root.append(
    svg("text", { class: "end", x: x(0), y: edge - 12, "text-anchor": "middle" }, top),
    svg("text", { class: "end", x: x(0), y: size - edge + 22, "text-anchor": "middle" }, bottom),
    svg("text", { class: "end", "text-anchor": "middle", transform: `translate(${edge - 14} ${y(0)}) rotate(-90)` }, left),
    svg("text", { class: "end", "text-anchor": "middle", transform: `translate(${size - edge + 14} ${y(0)}) rotate(90)` }, right),
  );
  const taken = [];
  songs.forEach((song, index) => {
    const [cx, cy] = [x(song.x), y(song.y)];
    const isRight = song.x > 0;
    root.append(
      svg("g", { class: "song" },
        svg("circle", { class: "song-point", cx, cy, r: 9 }),
        svg("text", { class: "song-number", x: cx, y: cy + 4 }, index + 1),
        svg("text", { class: "song-title", x: isRight ? cx - 13 : cx + 13, y: free(taken, isRight, cy + 4), "text-anchor": isRight ? "end" : "start" }, shortened(song.title)),
        svg("title", {}, `${song.title}: ${song.x}, ${song.y}`),
      ),
    );
  });
  return root;
}

// free moves a title down until it covers no title on the same side.
function free(taken, side, y) {
  while (taken.some((other) => other.side === side && Math.abs(other.y - y) < 13)) y += 3;
  taken.push({ side, y });
  return y;
}

function shortened(title) {
  const letters = [...title];
  return letters.length > 22 ? letters.slice(0, 21).join("") + "…" : title;
}
