/* plumb_graph.js - a graph of very many boxes: what is in view is drawn on a canvas. Drag and wheel move, Ctrl and wheel or + and -
 * change the scale, f shows all, a click follows the box. Without it the page has a table. */
(function () {
  "use strict";
  var canvas = document.querySelector("canvas.graph");
  if (!canvas) return;
  var g = JSON.parse(canvas.dataset.graph), c = canvas.getContext("2d"), colours = {}, scale = 1, x = 0, y = 0, drag = null, asked = false;
  canvas.removeAttribute("data-graph");
  canvas.tabIndex = 0;

  /* Colours are those of the style sheet: read from a shape that has the class. */
  function colour(name, what) {
    var key = name + what;
    if (!colours[key]) {
      var svg = document.createElementNS("http://www.w3.org/2000/svg", "svg"), r = document.createElementNS(svg.namespaceURI, what === "text" ? "text" : "rect");
      r.setAttribute("class", name);
      svg.appendChild(r);
      document.body.appendChild(svg);
      colours[key] = getComputedStyle(r)[what === "text" ? "fill" : what];
      svg.remove();
    }
    return colours[key];
  }
  function size() {
    var ratio = devicePixelRatio || 1, w = canvas.clientWidth, h = canvas.clientHeight;
    if (canvas.width !== w * ratio || canvas.height !== h * ratio) { canvas.width = w * ratio; canvas.height = h * ratio; }
    c.setTransform(ratio * scale, 0, 0, ratio * scale, -x * ratio * scale, -y * ratio * scale);
    return { w: w / scale, h: h / scale };
  }
  function cut(text, room) {
    var n = Math.floor(room / 6.05);
    return text.length <= n ? text : n < 4 ? "" : text.slice(0, n - 1 - Math.floor(n / 3)) + "…" + text.slice(text.length - Math.floor(n / 3));
  }
  function lines(v) {
    c.strokeStyle = colour("l5", "stroke");
    c.lineWidth = Math.max(1, 0.6 / scale);
    c.beginPath();
    for (var i = 0; i < g.lines.length; i += 4) {
      if (g.lines[i + 3] < y || g.lines[i + 1] > y + v.h || g.lines[i + 2] < x || g.lines[i] > x + v.w) continue;
      c.moveTo(g.lines[i], g.lines[i + 1]);
      c.lineTo(g.lines[i + 2], g.lines[i + 3]);
    }
    c.stroke();
    c.fillStyle = colour("g5", "fill");
    for (i = 0; i < g.ends.length; i += 2) {
      if (g.ends[i + 1] < y || g.ends[i + 1] > y + v.h) continue;
      c.beginPath();
      c.moveTo(g.ends[i] - 3.5, g.ends[i + 1] - 6);
      c.lineTo(g.ends[i] + 3.5, g.ends[i + 1] - 6);
      c.lineTo(g.ends[i], g.ends[i + 1]);
      c.fill();
    }
  }
  function box(b, selected, labels) {
    c.lineWidth = selected ? 3 : 1;
    c.fillStyle = colour("box", "fill");
    c.strokeStyle = selected ? colour("lacc", "stroke") : colour("box", "stroke");
    c.fillRect(b[0], b[1], b[2], b[3]);
    c.fillStyle = colour(b[4], "fill");
    c.fillRect(b[0], b[1], b[2], labels ? 20 : b[3]);
    c.strokeRect(b[0] + 0.5, b[1] + 0.5, b[2] - 1, b[3] - 1);
    if (!labels) return;
    c.fillStyle = colour("", "text");
    c.font = "600 10px " + getComputedStyle(document.documentElement).getPropertyValue("--mono");
    c.fillText(cut(b[5], b[2] - 14 - b[6].length * 6), b[0] + 7, b[1] + 14);
    c.font = "10px sans-serif";
    c.textAlign = "right";
    c.fillText(b[6], b[0] + b[2] - 7, b[1] + 14);
    c.textAlign = "left";
    c.fillStyle = colour("tm", "text");
    c.fillText(b[7], b[0] + 7, b[1] + b[3] - 9);
  }
  function draw() {
    asked = false;
    var v = size(), labels = scale > 0.35;
    c.clearRect(x, y, v.w, v.h);
    lines(v);
    for (var i = 0; i < g.boxes.length; i++) {
      var b = g.boxes[i];
      if (b[1] + b[3] >= y && b[1] <= y + v.h && b[0] + b[2] >= x && b[0] <= x + v.w) box(b, i === g.at, labels);
    }
    if (scale <= 0.6) return;
    c.fillStyle = colour("tm", "text");
    c.font = "10px sans-serif";
    g.values.forEach(function (n) {
      if (n[1] > y - 20 && n[1] < y + v.h && n[0] > x - 200 && n[0] < x + v.w) c.fillText(cut(n[3], n[2] - 8), n[0] + 5, n[1] + 11);
    });
  }
  function ask() { if (!asked) { asked = true; requestAnimationFrame(draw); } }
  function keep() {
    var v = { w: canvas.clientWidth / scale, h: canvas.clientHeight / scale };
    x = Math.max(Math.min(0, (g.width - v.w) / 2), Math.min(x, Math.max(g.width - v.w, (g.width - v.w) / 2)));
    y = Math.max(0, Math.min(y, Math.max(0, g.height - v.h)));
    ask();
  }
  function zoom(by, px, py) {
    var next = Math.max(0.02, Math.min(3, scale * by));
    x += px / scale - px / next;
    y += py / scale - py / next;
    scale = next;
    keep();
  }
  function fit() { scale = Math.min(1, canvas.clientWidth / g.width, canvas.clientHeight / g.height); x = y = 0; keep(); }
  function under(event) {
    var r = canvas.getBoundingClientRect(), px = x + (event.clientX - r.left) / scale, py = y + (event.clientY - r.top) / scale;
    return g.boxes.find(function (b) { return px >= b[0] && px <= b[0] + b[2] && py >= b[1] && py <= b[1] + b[3]; });
  }
  canvas.addEventListener("wheel", function (event) {
    event.preventDefault();
    if (event.ctrlKey) { zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, event.offsetX, event.offsetY); return; }
    x += event.deltaX / scale;
    y += event.deltaY / scale;
    keep();
  }, { passive: false });
  canvas.addEventListener("pointerdown", function (event) { drag = { x: event.clientX, y: event.clientY, moved: 0 }; canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener("pointermove", function (event) {
    if (!drag) { var b = under(event); canvas.title = b ? b[5] : ""; return; }
    drag.moved += Math.abs(event.clientX - drag.x) + Math.abs(event.clientY - drag.y);
    x -= (event.clientX - drag.x) / scale;
    y -= (event.clientY - drag.y) / scale;
    drag.x = event.clientX;
    drag.y = event.clientY;
    keep();
  });
  canvas.addEventListener("pointerup", function (event) {
    var b = drag && drag.moved < 5 && under(event);
    drag = null;
    if (!b) return;
    var url = new URL(canvas.dataset.href, location.href);
    url.searchParams.set("sel", b[5]);
    location.href = url.href;
  });
  canvas.addEventListener("keydown", function (event) {
    if (event.key === "+" || event.key === "-") zoom(event.key === "+" ? 1.2 : 1 / 1.2, canvas.clientWidth / 2, canvas.clientHeight / 2);
    else if (event.key === "f") fit();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  addEventListener("resize", keep);
  document.addEventListener("click", function (event) { if (event.target.closest("[data-act=theme]")) { colours = {}; ask(); } });
  addEventListener("load", function () {
    var b = g.boxes[g.at];
    if (b) { x = b[0] + b[2] / 2 - canvas.clientWidth / 2; y = b[1] + b[3] / 2 - canvas.clientHeight / 2; keep(); }
    else { x = (g.width - canvas.clientWidth) / 2; keep(); }
  });
})();
