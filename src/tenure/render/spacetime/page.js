"use strict";
// The picture again, for any window of time, and a head that goes through the run. What is drawn, and where, is in
// the data; `placed` and `element` are labels.py and svg.py once more, and a test compares what both draw.
(() => {
const run = JSON.parse(document.getElementById("run").textContent);
const byId = (id) => document.getElementById(id);
const svg = document.querySelector("figure svg");
const sceneGroup = svg.querySelector(".scene"), axes = svg.querySelector(".axes");
const rows = byId("steps").tBodies[0].rows;
const skip = byId("skip"), dull = new Set(run.dull), all = run.times.map((_, step) => step);
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const shown = { from: run.from, to: run.to };
let order = all;  // the steps that are gone through
let place = 0, playing = false, going = 0, frame = 0, before = 0;  // place: in that order; going: the same, in between
let ofStep = new Map(), lit = [];

// Drawing

const number = (value) => (Math.floor(value * 10 + 0.5) / 10).toFixed(1).replace(/\.0$/, "");
const xOf = (t) => run.left + (t - shown.from) * (run.width - run.left - run.right) / (shown.to - shown.from);

function make(name, attributes, title) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (title) element.appendChild(make("title", {})).textContent = title;
  return element;
}

function element(item) {
  if (item.is === "line") {
    const d = `M${number(xOf(item.t1))} ${number(item.y1)}L${number(xOf(item.t2))} ${number(item.y2)}`;
    const head = item.head === undefined ? {} : { "marker-end": `url(#${run.root}-h${item.head})` };
    return make("path", { class: item.look, d, ...head }, item.title);
  }
  if (item.is === "bar") {
    const left = Math.max(xOf(item.t1), run.left - 20);
    const wide = Math.max(Math.min(xOf(item.t2), run.width + 20) - left, 1);
    const size = { x: number(left), y: number(item.y), width: number(wide), height: number(item.height) };
    return make("rect", { class: item.look, ...size }, item.title);
  }
  const move = `translate(${number(xOf(item.t) + (item.dx || 0))} ${number(item.y)})`;
  return make("path", { class: item.look, transform: move, d: run.shapes[item.shape] }, item.title);
}

function layerOf(item) {
  const first = item.look.split(" ")[0];
  return first === "shade" || first === "side" ? "shade" : { line: "line", bar: "band", mark: "mark" }[item.is];
}

function names() {
  const lines = run.items.filter((one) => one.is === "line" && one.name && one.t2 >= shown.from && one.t1 <= shown.to);
  if (lines.length > run.labels.mostNamed) return [];
  const found = new Map();
  for (const line of lines) {
    const t = line.t1 + Math.floor((line.t2 - line.t1) * 2 / 5), y = line.y1 + (line.y2 - line.y1) * 0.4;
    const key = `${Math.floor(xOf(t) / run.labels.close)} ${line.name}`;
    if (!found.has(key)) {
      found.set(key, { is: "text", t1: t, t2: t, y: 0, texts: [line.name], rows: [y, y + 12, y - 12, y + 24],
                       look: `say kind t${line.head || 0}`, dx: 6 });
    }
  }
  return [...found.values()];
}

function placed(items, left, right) {
  const { air, bucket, character, size: usual } = run.labels;
  const taken = new Map(), found = [];
  const widthOf = (words, size) => Array.from(words).length * size * character;
  const meet = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
  const keep = (key, box) => taken.has(key) ? taken.get(key).push(box) : taken.set(key, [box]);
  for (const item of items) {
    if (item.is === "mark" && run.labels.obstacles.includes(item.shape)) {
      const x = xOf(item.t);
      keep(Math.floor(item.y / bucket), [x - 5, item.y - 5, x + 5, item.y + 5]);
    }
  }
  function take(item, words, x, y) {
    const size = item.size || usual, width = widthOf(words, size);
    const x1 = item.anchor === "middle" ? x - width / 2 : x;
    const box = [x1 - air, y - size * 0.8, x1 + width + air, y + size * 0.25];
    const key = Math.floor(y / bucket);
    for (const near of [key - 1, key, key + 1]) {
      if ((taken.get(near) || []).some((other) => meet(box, other))) return false;
    }
    keep(key, box);
    found.push([item, words, x, y]);
    return true;
  }
  function put(item) {
    const x1 = Math.max(left, xOf(item.t1)), x2 = Math.min(right, xOf(item.t2));
    if (x2 < left || x1 > right || x1 > x2) return;
    const size = item.size || usual, middle = item.anchor === "middle", dx = item.dx || 0;
    for (const words of item.texts) {
      if (widthOf(words, size) + air + dx > x2 - x1) continue;
      if (take(item, words, middle ? (x1 + x2) / 2 : x1 + dx, item.y)) return;
    }
    const words = item.texts[item.texts.length - 1], width = widthOf(words, size);
    let x = x1 + dx;
    if (middle) x = Math.max(left + width / 2, Math.min((x1 + x2) / 2, right - width / 2));
    else if (x + width > right) x = x1 - Math.abs(dx) - width;
    (item.rows || []).some((row) => take(item, words, x, row));
  }
  items.filter((one) => one.is === "text").sort((a, b) => (b.rank || 0) - (a.rank || 0)).forEach(put);
  return found;
}

function drawScene() {
  const layers = Object.fromEntries(run.layers.map((name) => [name, make("g", { class: `layer-${name}` })]));
  ofStep = new Map();
  const put = (item, drawn, layer) => {
    layers[layer].appendChild(drawn);
    for (const step of item.steps || []) {
      if (!ofStep.has(step)) ofStep.set(step, []);
      ofStep.get(step).push(drawn);
    }
  };
  for (const item of run.items) {
    const t1 = item.is === "mark" ? item.t : item.t1, t2 = item.is === "mark" ? item.t : item.t2;
    if (item.is !== "text" && t2 >= shown.from && t1 <= shown.to) put(item, element(item), layerOf(item));
  }
  for (const [item, words, x, y] of placed([...run.items, ...names()], run.left - 6, run.width - run.right + 10)) {
    const middle = item.anchor === "middle" ? { "text-anchor": "middle" } : {};
    const drawn = make("text", { class: item.look, x: number(x), y: number(y), ...middle });
    drawn.textContent = words;
    if (item.title) drawn.appendChild(make("title", {})).textContent = item.title;
    put(item, drawn, "words");
  }
  sceneGroup.replaceChildren(...Object.values(layers).filter((layer) => layer.childNodes.length));
}

function drawAxes() {
  const room = run.width - run.left - run.right, length = shown.to - shown.from;
  const least = Math.max(length * run.ticks.width / room, length / run.ticks.most, 1);
  let step = 1;
  while (step < least) step = String(step).startsWith("2") ? step * 5 / 2 : step * 2;
  const digits = Math.max(0, 10 - String(step).length), parts = [];
  for (let t = Math.ceil(shown.from / step) * step; t <= shown.to; t += step) {
    const x = number(xOf(t));
    parts.push(make("path", { class: "grid", d: `M${x} ${number(run.axis + 4)}V${number(run.lanes[1])}` }));
    const words = make("text", { class: "tick", x, y: number(run.axis), "text-anchor": "middle" });
    words.textContent = `${(t / 1e9).toFixed(digits)} s`;
    parts.push(words);
  }
  parts.push(make("path", { class: "axis", d: `M${run.left} ${number(run.axis + 4)}H${run.width - run.right}` }));
  axes.replaceChildren(...parts);
}

function redraw() {
  drawScene();
  drawAxes();
  lit = [];
  show(place);
}

// The head that goes through the run

const head = make("g", { class: "head", "clip-path": `url(#${run.root}-plot)` });
const veil = make("rect", { class: "veil", y: 0, height: run.bottom });
const line = make("path", { class: "playhead" });
const dots = make("g", {});
head.append(veil, dots, line);
sceneGroup.after(head);
const letters = run.items.filter((one) => one.is === "line" && one.look.startsWith("message"));

function moveHead(t) {
  if ((t < shown.from || t > shown.to) && t >= run.from && t <= run.to) {
    const half = (shown.to - shown.from) / 2;
    look(t - half, t + half);
    return;
  }
  const x = xOf(t);
  veil.setAttribute("x", number(x));
  veil.setAttribute("width", number(t < run.to ? run.width - x : 0));
  line.setAttribute("d", `M${number(x)} ${number(run.axis + 4)}V${number(run.bottom)}`);
  const under = letters.filter((one) => one.t1 <= t && t < one.t2 && one.t2 > one.t1);
  dots.replaceChildren(...under.map((one) => make("circle", {
    class: "dot", r: 4.5, cx: number(x), cy: number(one.y1 + (one.y2 - one.y1) * (t - one.t1) / (one.t2 - one.t1)),
  })));
}

function stateAt(changes, step) {
  let low = 0, high = changes.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (changes[middle].step <= step) low = middle; else high = middle - 1;
  }
  return changes[low];
}

function fillStates(t) {
  [...byId("nodes").tBodies[0].rows].forEach((row, index) => {
    const state = stateAt(run.states[index].changes, step());
    const acts = state.token !== undefined && t < state.until;
    const leads = state.leader === run.states[index].node;
    const cells = [state.life, state.role || "-", state.leader || "none", state.term || "0",
                   acts ? `token ${state.token}, until ${state.untilWords}` : "nothing",
                   state.ppm ? `${state.ppm} ppm` : "right"];
    cells.forEach((words, cell) => {
      if (row.cells[cell + 1].textContent !== words) row.cells[cell + 1].textContent = words;
    });
    row.className = leads ? "leads" : /^(crashed|left|not)/.test(state.life) ? "down" : "";
  });
}

const step = () => order[place];

function show(wanted) {
  const last = order.length - 1, before = rows[step()];
  if (last < 0) return;
  if (before) before.removeAttribute("aria-current");
  place = Math.max(0, Math.min(last, wanted));
  const row = rows[step()], t = run.times[step()], words = `${row.cells[0].textContent}: ${row.cells[1].textContent}`;
  row.setAttribute("aria-current", "step");
  const story = byId("story");
  story.scrollTop = row.offsetTop - story.clientHeight / 2;
  byId("now").textContent = words;
  byId("scrub").max = last;
  byId("scrub").value = place;
  byId("scrub").setAttribute("aria-valuetext", `step ${place + 1} of ${last + 1}, ${words}`);
  byId("back").disabled = byId("first").disabled = place === 0;
  byId("forward").disabled = byId("last").disabled = place === last;
  for (const one of lit) one.classList.remove("now");
  moveHead(place === last ? run.to : t);
  lit = ofStep.get(step()) || [];
  for (const one of lit) one.classList.add("now");
  fillStates(t);
}

// The steps that are gone through, with or without the dull ones; the step at hand, or the one before it, stays.
function choose() {
  const now = order.length ? step() : 0;
  order = skip && skip.checked ? all.filter((one) => !dull.has(one)) : all;
  for (const one of dull) rows[one].hidden = order !== all;
  const after = order.findIndex((one) => one > now);
  show(after < 0 ? order.length - 1 : after - 1);
}

function look(from, to) {
  const length = Math.min(to - from, run.to - run.from);
  shown.from = Math.max(run.from, Math.min(from, run.to - length));
  shown.to = shown.from + length;
  redraw();
}

function zoom(factor) {
  const whole = run.to - run.from, now = order.length ? run.times[step()] : run.from;
  const length = Math.max(Math.min(whole, 1000), Math.min(whole, (shown.to - shown.from) * factor));
  look(now - length / 2, now + length / 2);
}

function setPlaying(on) {
  playing = on && order.length > 1;
  cancelAnimationFrame(frame);
  byId("play").textContent = playing ? "Pause" : "Play";
  byId("now").setAttribute("aria-live", playing ? "off" : "polite");  // nobody can listen to ten steps a second
  if (!playing) return show(place);
  if (place === order.length - 1) show(0);
  going = place;
  before = performance.now();
  frame = requestAnimationFrame(play);
}

function play(now) {
  going += Math.max(0, now - before) / 1000 * Number(byId("speed").value);
  before = now;
  if (going >= order.length - 1) {
    show(order.length - 1);
    return setPlaying(false);
  }
  const whole = Math.floor(going), from = run.times[order[whole]], to = run.times[order[whole + 1]];
  if (whole !== place) show(whole);
  if (!calm.matches) moveHead(from + (to - from) * (going - whole));
  frame = requestAnimationFrame(play);
}

function go(wanted) {
  setPlaying(false);
  show(wanted);
}

const acts = {
  first: () => go(0),
  back: () => go(place - 1),
  play: () => setPlaying(!playing),
  forward: () => go(place + 1),
  last: () => go(order.length - 1),
  closer: () => zoom(1 / 2),
  wider: () => zoom(2),
  whole: () => look(run.from, run.to),
};
for (const [id, act] of Object.entries(acts)) byId(id).addEventListener("click", act);
byId("scrub").addEventListener("input", (event) => go(Number(event.target.value)));
byId("steps").tBodies[0].addEventListener("click", (event) => {
  const row = event.target.closest("tr");
  if (row) go(order.indexOf(row.sectionRowIndex));
});

const keys = { " ": "play", ArrowRight: "forward", ArrowLeft: "back", Home: "first", End: "last", "+": "closer",
               "=": "closer", "-": "wider", 0: "whole" };
document.addEventListener("keydown", (event) => {
  const act = keys[event.key];
  const name = event.target.tagName;
  if (!act || event.ctrlKey || event.altKey || event.metaKey || name === "SELECT") return;
  if (event.key === " " && (name === "BUTTON" || event.target.type === "checkbox")) return;  // which presses it
  event.preventDefault();
  acts[act]();
});

if (skip) skip.addEventListener("change", choose);
const speeds = [...byId("speed").options].map((option) => Number(option.value));
byId("speed").value = speeds.find((speed) => (order.length - dull.size) / speed <= 40) || speeds[speeds.length - 1];
for (const id of ["controls", "states", "keys"]) byId(id).hidden = false;
place = order.length - 1;
choose();
redraw();
})();
