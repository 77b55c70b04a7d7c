// Small helpers to make elements. Nothing here takes HTML as text, so nothing
// that the local cloud reports can become markup.

// html and svg make an element with attributes and children; a child is a node
// or text, and attributes that are undefined are left out.
export const html = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);

export const svg = (name, attributes, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);

function fill(element, attributes = {}, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export const $ = (selector) => document.querySelector(selector);

// awsTime writes an AWS time, which runs ahead of the wall clock.
export const awsTime = (time) => new Date(time).toISOString().slice(0, 19).replace("T", " ");
