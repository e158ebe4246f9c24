/* timeline.js - the timeline as a canvas of the size of the view, over tiles (web/timeline_pack.h).
 * The page works without it: what it shows is fetched from the page itself. */
(function () {
  "use strict";
  var mount = document.getElementById("timeline");
  if (!mount) return;
  var GUTTER = 164, LANE = 18, VALUES = 42, TOP = 54, MAX_LANES = 14, CELLS = 256;
  var index, names, rows = [], height = 0, canvas, ctx, width = 0, shown = 0, colours, hatch, fill, line, thin, status;
  var t0 = 0, t1 = 1, scroll = 0, tiles = new Map(), pending = 0, drawn = [], queued = false;
  var picked = null, flows = [], area = null, drag = null, match = null, lastG = 0, settle = 0;
  var page = new URL(location.href);

  function abs(t) { return String(BigInt(index.base) + BigInt(Math.round(t))); }
  function rel(text) { return Number(BigInt(text) - BigInt(index.base)); }
  function whole(text) { return /^-?\d+$/.test(text || ""); }
  function duration(ns) {
    var u = ns < 1e3 ? [1, "ns"] : ns < 1e6 ? [1e3, "µs"] : ns < 1e9 ? [1e6, "ms"] : [1e9, "s"];
    return Number((ns / u[0]).toPrecision(3)) + " " + u[1];
  }
  function x(t) { return GUTTER + (t - t0) / (t1 - t0) * (width - GUTTER - 8); }
  function time(px) { return t0 + (px - GUTTER) / (width - GUTTER - 8) * (t1 - t0); }

  /* ---- colours: those of the style sheet ---- */
  function readColours() {
    var probe = document.createElement("i"), style;
    mount.appendChild(probe);
    colours = {};
    ["n0", "n1", "n3", "n5", "n6", "n8", "accent", "accent-fill", "bad", "warn"].concat(
      [1, 2, 3, 4, 5, 6].map(function (i) { return "c" + i; }),
      [1, 2, 3, 4, 5, 6].map(function (i) { return "c" + i + "l"; })).forEach(function (name) {
      probe.style.color = "var(--" + name + ")";
      style = getComputedStyle(probe).color;
      colours[name] = style;
    });
    probe.remove();
    fill = [0, 1, 2, 3, 4, 5, 6].map(function (i) { return colours["c" + i]; });
    line = [0, 1, 2, 3, 4, 5, 6].map(function (i) { return colours["c" + i + "l"]; });
    hatch = [0, 1, 2, 3, 4, 5, 6].map(function (i) {
      if (!i) return null;
      var c = document.createElement("canvas"), g = c.getContext("2d");
      c.width = c.height = 6;
      g.fillStyle = colours["c" + i]; g.fillRect(0, 0, 6, 6);
      g.strokeStyle = colours["c" + i + "l"]; g.lineWidth = 1.2;
      g.beginPath(); g.moveTo(-1, 1); g.lineTo(1, -1); g.moveTo(0, 6); g.lineTo(6, 0); g.moveTo(5, 7); g.lineTo(7, 5); g.stroke();
      return ctx.createPattern(c, "repeat");
    });
    draw();
  }

  /* ---- rows ---- */
  function layOut() {
    var wanted = page.searchParams.get("tracks"), keys = wanted ? wanted.split(",") : null, process = null, y = 0;
    rows = [];
    function take(list) {
      list.forEach(function (k) {
        if (k.process !== process) { rows.push({ group: k, y: y, h: LANE }); y += LANE; process = k.process; }
        var lanes = Math.min(k.lanes, MAX_LANES), h = k.kind >= 4 ? VALUES : lanes * LANE + 3;
        rows.push({ k: k, y: y, h: h, lanes: lanes });
        y += h;
      });
    }
    take(index.tracks.filter(function (k) { return !keys || keys.indexOf(k.key) >= 0; }));
    if (!rows.length) take(index.tracks);
    height = y + LANE;
  }

  /* ---- tiles ---- */
  function parse(buffer) {
    var f64 = new Float64Array(buffer, 0, buffer.byteLength >> 3), f32 = new Float32Array(buffer), u32 = new Uint32Array(buffer),
      u16 = new Uint16Array(buffer), at = 8, sections = {};
    for (var i = 0, n = u32[1]; i < n; i++) {
      var w = at >> 2, s = { n: u32[w + 2], flags: u32[w + 3], end: f64[(at >> 3) + 2], at: at + 24 };
      sections[u32[w] + ":" + u32[w + 1]] = s;
      at = s.at + 32 * s.n;
    }
    return { f64: f64, f32: f32, u32: u32, u16: u16, sections: sections };
  }
  function request(level, tile) {
    var key = level + "/" + tile, url, entry;
    if (tile < 0 || tiles.has(key) || pending >= 6) return;
    entry = { level: level, tile: tile, stop: new AbortController() };
    tiles.set(key, entry);
    if (tiles.size > 300) tiles.delete(tiles.keys().next().value);
    url = mount.dataset.tiles + "&level=" + level + "&tile=" + tile;
    if (page.searchParams.get("tracks")) url += "&tracks=" + encodeURIComponent(page.searchParams.get("tracks"));
    pending++;
    fetch(url, { signal: entry.stop.signal }).then(function (r) {
      if (!r.ok) throw new Error(r.status);
      return r.arrayBuffer();
    }).then(function (b) { entry.data = parse(b); }).catch(function () { tiles.delete(key); })
      .then(function () { pending--; draw(); });
  }
  function levelOf() {
    var least = (t1 - t0) / (width - GUTTER - 8), level = 0;
    while (Math.pow(4, level) < least && level < 23) level++;
    return level;
  }
  /* What covers the view at its level, coarser where that has not come; neighbours are fetched ahead. */
  function visible() {
    var level = levelOf(), size = CELLS * Math.pow(4, level), from = Math.max(0, Math.floor(t0 / size)),
      to = Math.floor(Math.min(t1, index.length) / size), list = [], keep = {};
    for (var n = from; n <= to; n++) {
      var found = null;
      request(level, n);
      for (var up = level, m = n; !found && up < level + 6; up++, m = Math.floor(m / 4)) {
        var e = tiles.get(up + "/" + m);
        if (e && e.data) found = e;
      }
      if (found) list.push({ tile: found, from: n * size, to: (n + 1) * size });
      keep[level + "/" + n] = 1;
    }
    if (!pending) { request(level, to + 1 <= index.length / size ? to + 1 : -1); request(level, from - 1); }
    tiles.forEach(function (e, key) { if (!e.data && e.level !== level && !keep[key]) e.stop.abort(); });
    return list;
  }

  /* ---- drawing ---- */
  function draw() { if (!queued && index) { queued = true; requestAnimationFrame(frame); } }
  function text(s, px, y, room, align) {
    if (room !== undefined) {
      var fit = Math.floor((room - 6) / 5.6);
      if (fit < 3) return;
      if (s.length > fit) s = s.slice(0, fit - 1) + "…";
    }
    ctx.textAlign = align || "left";
    ctx.fillText(s, px, y, room === undefined ? undefined : room - 6);
  }
  function frame() {
    queued = false;
    var begin = performance.now(), list = visible(), view = Math.min(TOP + height, shown);
    ctx.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    ctx.clearRect(0, 0, width, shown);
    ctx.font = "10px " + getComputedStyle(mount).fontFamily;
    drawn = [];
    thin = [[], [], [], [], [], [], []];
    ctx.save();
    ctx.beginPath(); ctx.rect(0, TOP, width, view - TOP); ctx.clip();
    ctx.translate(0, TOP - scroll);
    grid();
    rows.forEach(function (r) {
      if (r.y + r.h < scroll || r.y > scroll + view - TOP) return;
      if (r.group) group(r);
      else if (r.k.kind >= 4) values(r, list);
      else for (var d = 0; d < r.lanes; d++) lane(r, d, list);
      if (r.k) label(r);
    });
    thin.forEach(function (list, i) {
      if (list.length) ctx.fillStyle = line[i];
      for (var j = 0; j < list.length; j += 3) ctx.fillRect(list[j], list[j + 1], list[j + 2], LANE - 2);
    });
    losses();
    overlay();
    ctx.restore();
    map(); axis();
    canvas.dataset.frame = (performance.now() - begin).toFixed(1);
    canvas.dataset.shapes = drawn.length;
    canvas.dataset.loaded = pending ? "" : "1";
    if (pending) return;
    status.textContent = match ? match.text : duration((t1 - t0) / (width - GUTTER - 8)) + " per pixel · " + drawn.length + " shapes";
  }
  function ticks() {
    var step = 1, span = t1 - t0, list = [];
    while (span / step > 9) { step *= 2; if (span / step > 9) step *= 2.5; if (span / step > 9) step *= 2; }
    for (var t = Math.ceil(t0 / step) * step; t <= t1; t += step) list.push(t);
    return { step: step, list: list };
  }
  function grid() {
    ctx.fillStyle = colours.n3;
    ticks().list.forEach(function (t) { ctx.fillRect(Math.round(x(t)), 0, 1, height); });
  }
  function axis() {
    var k = ticks(), u = k.step * 10 < 1e3 ? [1, "ns"] : k.step * 10 < 1e6 ? [1e3, "µs"] : k.step * 10 < 1e9 ? [1e6, "ms"] : [1e9, "s"];
    ctx.fillStyle = colours.n6;
    /* Far from the begin the digits that differ are what counts: the first tick says where, the others how much later. */
    var far = t0 / k.step > 1e4;
    k.list.forEach(function (t, i) {
      if (x(t) > width - 40) return;
      var at = far && i ? t - k.list[0] : t, s = String(Number((at / u[0]).toFixed(1)));
      if (far && !i) text((t / 1e6).toFixed(t1 - t0 < 1e4 ? 6 : 3) + " ms", x(t) + 3, 46);
      else text((far ? "+" : "") + s + (i > 1 ? "" : " " + u[1]), x(t) + 3, 46);
    });
  }
  function map() {
    var room = width - GUTTER - 8, one = index.length;
    ctx.fillStyle = colours.n0; ctx.fillRect(0, 0, width, TOP);
    ctx.fillStyle = colours.n1; ctx.fillRect(GUTTER, 4, room, 22);
    ctx.fillStyle = colours.n6;
    text("whole run", 8, 19); text(duration(one), 156, 19, undefined, "right");
    index.map.forEach(function (share, i) {
      ctx.fillStyle = i < 180 ? colours.c6l : colours.c1l;
      var h = Math.min(8, share * 8);
      if (share > 0) ctx.fillRect(GUTTER + room * (i % 180) / 180, (i < 180 ? 14 : 24) - Math.max(1, h), room / 180 + .2, Math.max(1, h));
    });
    ctx.strokeStyle = colours.accent; ctx.lineWidth = 2;
    ctx.strokeRect(GUTTER + room * t0 / one, 4, Math.max(3, room * (t1 - t0) / one), 22);
    ctx.lineWidth = 1;
  }
  function group(r) {
    ctx.fillStyle = colours.n1; ctx.fillRect(0, r.y, width, r.h - 1);
    ctx.fillStyle = colours.n8;
    text((r.group.rank === undefined ? "process " + r.group.process : "rank " + r.group.rank) + (r.group.pid ? " · pid " + r.group.pid : ""), 8, r.y + 12);
  }
  function label(r) {
    var k = r.k, y = r.y + 12;
    ctx.fillStyle = colours.n0; ctx.fillRect(0, r.y, GUTTER - 1, r.h);
    ctx.fillStyle = colours.n3; ctx.fillRect(0, r.y + r.h - 1, width, 1);
    ctx.fillStyle = colours.n8; text(k.label, 18, y, 104);
    ctx.fillStyle = colours.n6;
    if (k.kind === 5) text((k.high / 1048576).toFixed(1) + " MiB", 156, y, undefined, "right");
    else if (k.kind === 4) text(Number(k.high.toPrecision(3)) + " max", 156, y, undefined, "right");
    else if (k.last > k.first) text(Math.round(100 * k.busy / (k.last - k.first)) + " %", 156, y, undefined, "right");
    if (k.lanes > r.lanes) text(k.lanes - r.lanes + " deeper rows", 18, r.y + r.h - 6);
  }
  /* The boxes of a lane: what is too short to be told apart becomes one that says how many. */
  function lane(r, d, list) {
    var y = r.y + 1 + d * LANE, last = null, id = -1, idle = (t1 - t0) / 100, end = Math.max(t0, r.k.first), px = (width - GUTTER - 8) / (t1 - t0), right = width - 8;
    function flush() { if (last) box(last, y); last = null; }
    list.forEach(function (part) {
      var data = part.tile.data, s = data.sections[r.k.i + ":" + d];
      if (!s) return;
      for (var i = 0, at = s.at; i < s.n; i++, at += 32) {
        var ts = data.f64[at >> 3], dur = data.f64[(at >> 3) + 1], w = at >> 2;
        if (ts >= part.to || ts >= t1) break;
        if (ts + dur < part.from || ts + dur < t0 || data.u32[w + 5] === id) continue;
        id = data.u32[w + 5];
        if (!d && r.k.kind !== 1 && ts - end > idle) gap(end, ts, y);
        end = Math.max(end, ts + dur);
        var left = GUTTER + (ts - t0) * px, b = { x: Math.max(GUTTER, left), e: Math.min(right, left + dur * px), n: data.u32[w + 4], name: data.u16[(at >> 1) + 14],
          flags: data.u16[(at >> 1) + 15], busy: data.f32[w + 6], ts: ts, dur: dur, k: r.k, lane: d, y: y };
        b.small = b.n > 1 || b.e - b.x < 2;
        if (last && last.small && b.small && b.x - last.e < 1) {
          if (b.busy > last.busy) last.name = b.name, last.busy = b.busy;
          last.e = b.e; last.n += b.n; last.flags |= b.flags; last.dur = ts + dur - last.ts;
        } else { flush(); last = b; }
      }
    });
    flush();
  }
  function gap(from, to, y) {
    var a = x(from), w = x(to) - a;
    ctx.strokeStyle = colours.n5; ctx.setLineDash([3, 3]); ctx.strokeRect(a + .5, y + .5, w - 1, LANE - 3); ctx.setLineDash([]);
    ctx.fillStyle = colours.n6;
    if (w > 34) text("idle " + (w > 70 ? duration(to - from) : ""), a + w / 2, y + 12, undefined, "center");
  }
  function box(b, y) {
    var name = names[b.name], w = Math.max(1, b.e - b.x), many = b.n > 1;
    b.w = w; drawn.push(b);
    if (match && !match.has[b.name]) ctx.globalAlpha = .25;
    /* Most boxes are narrow: those of one colour are filled together at the end of the frame. */
    if (w <= 2 && !match && !(b.flags & 23)) { thin[name[2]].push(b.x, y, w); return; }
    ctx.fillStyle = many && w > 4 ? hatch[name[2]] : w > 2 ? fill[name[2]] : line[name[2]];
    ctx.fillRect(b.x, y, w, LANE - 2);
    if (w > 8) { ctx.strokeStyle = line[name[2]]; ctx.strokeRect(b.x + .5, y + .5, w - 1, LANE - 3); }
    else if (w > 2) { ctx.fillStyle = line[name[2]]; ctx.fillRect(b.x, y, 1, LANE - 2); }
    if (many && w >= 34) {
      var s = "×" + b.n, room = s.length * 6 + 4;
      ctx.fillStyle = colours.n0; ctx.fillRect(b.x + w / 2 - room / 2, y + 3, room, LANE - 8);
      ctx.fillStyle = colours.n8; text(s, b.x + w / 2, y + 12, undefined, "center");
    } else if (!many && w >= 30) { ctx.fillStyle = colours.n8; text(name[0], b.x + 4, y + 12, w); }
    ctx.globalAlpha = 1;
    if (b.flags & 23) { ctx.fillStyle = b.flags & 7 ? colours.bad : colours.warn; ctx.fillRect(b.x, y, Math.max(2, Math.min(w, 6)), 3); }
  }
  function values(r, list) {
    var low = r.k.low, span = r.k.high - low || 1, y = r.y + r.h - 6, h = r.h - 10, first = true, held;
    ctx.beginPath();
    list.forEach(function (part) {
      var data = part.tile.data, s = data.sections[r.k.i + ":0"];
      if (!s) return;
      for (var i = 0, at = s.at >> 3; i < s.n; i++, at += 4) {
        var px = Math.max(GUTTER, x(data.f64[at]));
        if (data.f64[at] >= part.to || isNaN(data.f64[at + 1])) continue;
        if (!first && r.k.kind === 5) ctx.lineTo(px, held);
        held = y - (data.f32[2 * at + 7] - low) / span * h;
        [data.f64[at + 1], data.f64[at + 2]].forEach(function (v) { ctx[first ? "moveTo" : "lineTo"](px, y - (v - low) / span * h); first = false; });
        if (r.k.kind === 5) ctx.lineTo(px, held);
      }
    });
    ctx.strokeStyle = colours.c1l; ctx.lineWidth = 1.25; ctx.stroke(); ctx.lineWidth = 1;
  }
  function losses() {
    ctx.fillStyle = colours.warn;
    index.losses.forEach(function (l) {
      if (l[0] < t0 || l[0] > t1) return;
      var a = x(l[0]), y = height - 14;
      ctx.beginPath(); ctx.moveTo(a, y); ctx.lineTo(a + 5, y + 9); ctx.lineTo(a - 5, y + 9); ctx.fill();
      drawn.push({ x: a - 6, w: 12, y: y, loss: l });
    });
  }
  function place(track, d) {
    for (var i = 0; i < rows.length; i++) if (rows[i].k && rows[i].k.i === track && d < rows[i].lanes) return rows[i].y + 1 + d * LANE;
    return -1;
  }
  function overlay() {
    var y;
    if (area) {
      ctx.fillStyle = colours["accent-fill"]; ctx.globalAlpha = .5; ctx.strokeStyle = colours.accent;
      y = area.y === undefined ? [0, height] : area.y;
      ctx.fillRect(x(area.a0), y[0], x(area.a1) - x(area.a0), y[1] - y[0]);
      ctx.globalAlpha = 1;
      ctx.strokeRect(x(area.a0), y[0] + .5, x(area.a1) - x(area.a0), y[1] - y[0] - 1);
      ctx.fillStyle = colours.accent;
      text(duration(area.a1 - area.a0), (x(area.a0) + x(area.a1)) / 2, y[0] + 10, undefined, "center");
    }
    if (!picked) return;
    ctx.beginPath(); ctx.rect(GUTTER, 0, width, height); ctx.clip();
    ctx.strokeStyle = colours.accent; ctx.lineWidth = 2;
    y = place(picked.track, picked.lane);
    if (y >= 0) ctx.strokeRect(x(picked.ts) - 1, y - 1, Math.max(4, x(picked.ts + picked.dur) - x(picked.ts) + 2), LANE);
    flows.forEach(function (f) {
      var a = f[0] ? picked : f[1], b = f[0] ? f[1] : picked, ya = place(a.track, a.lane) + LANE / 2, yb = place(b.track, b.lane) + (place(b.track, b.lane) > ya ? 0 : LANE), xa = x(a.ts), xb = x(b.ts);
      ctx.beginPath(); ctx.moveTo(xa, ya); ctx.bezierCurveTo(xa, (ya + yb) / 2, xb, (ya + yb) / 2, xb, yb); ctx.lineWidth = 1.2; ctx.stroke();
    });
    ctx.lineWidth = 1;
  }

  /* ---- the page beside it ---- */
  function swap(url) {
    fetch(url).then(function (r) { return r.text(); }).then(function (s) {
      if (url !== page.href) return;
      var fresh = new DOMParser().parseFromString(s, "text/html"), old, next;
      ["main > .answer", "#area", "#view > .sh", "#view > .key", ".head .acts"].forEach(function (q) {
        old = document.querySelector(q); next = fresh.querySelector(q);
        if (old && next) old.replaceWith(document.adoptNode(next));
      });
      old = document.querySelector(".drawer"); next = fresh.querySelector(".drawer");
      if (old && next) old.replaceWith(document.adoptNode(next));
      else if (old) old.remove();
      else if (next) document.querySelector(".frame").appendChild(document.adoptNode(next));
      document.querySelector(".frame").classList.toggle("drawn", !!next);
    });
  }
  function address(now) {
    var p = page.searchParams;
    p.set("t0", abs(t0)); p.set("t1", abs(t1));
    if (t0 <= 0 && t1 >= index.length) { p.delete("t0"); p.delete("t1"); }
    ["a0", "a1", "on", "sel"].forEach(function (n) { p.delete(n); });
    if (area && area.a1 > area.a0) { p.set("a0", abs(area.a0)); p.set("a1", abs(area.a1)); if (area.on) p.set("on", area.on); }
    if (picked) p.set("sel", picked.sel);
    history.replaceState(null, "", page.href);
    clearTimeout(settle);
    settle = setTimeout(swap, now ? 0 : 400, page.href);
  }
  function show(a, b) {
    var least = 20, span = Math.min(Math.max(b - a, least), index.length), mid = (a + b) / 2;
    t0 = Math.max(0, Math.min(index.length - span, mid - span / 2)); t1 = t0 + span;
    draw(); address();
  }
  function zoom(by, at) { show(at - (at - t0) * by, at + (t1 - at) * by); }
  function pan(by) { var d = (t1 - t0) * by; show(t0 + d, t1 + d); }
  function select(p) {
    picked = p; flows = [];
    if (p && (p.ts > t1 || p.ts + p.dur < t0)) show(p.ts - (t1 - t0) / 2, p.ts + (t1 - t0) / 2);
    draw(); address(true);
    if (p) fetch(mount.dataset.flow + sep(mount.dataset.flow) + "sel=" + encodeURIComponent(p.sel)).then(function (r) { return r.json(); })
      .then(function (list) { if (picked === p) { flows = list; draw(); } });
  }
  function sep(url) { return url.indexOf("?") < 0 ? "?" : "&"; }
  function step(dir, words) {
    var u = mount.dataset.step, from = picked ? picked.ts : dir > 0 ? t0 - 1 : t1;
    u += sep(u) + "dir=" + dir + "&t=" + abs(from);
    if (words) u += "&q=" + encodeURIComponent(words);
    else if (picked) u += "&track=" + picked.track + "&lane=" + picked.lane;
    if (page.searchParams.get("tracks")) u += "&tracks=" + encodeURIComponent(page.searchParams.get("tracks"));
    fetch(u).then(function (r) { return r.json(); }).then(function (p) { if (p) select(p); });
  }

  /* ---- mouse and keys ---- */
  function under(px, py) {
    py += scroll - TOP;
    for (var i = drawn.length - 1; i >= 0; i--) {
      var b = drawn[i];
      if (px >= b.x - 1 && px <= b.x + b.w + 1 && py >= b.y && py < b.y + LANE) return b;
    }
    return null;
  }
  function point(e) { var r = canvas.getBoundingClientRect(); return [e.clientX - r.left, e.clientY - r.top]; }
  function tracksBetween(a, b) {
    return rows.filter(function (r) { return r.k && r.k.kind < 4 && r.y < b && r.y + r.h > a; });
  }
  function down(e) {
    if (e.button) return;
    var p = point(e);
    drag = { x: p[0], y: p[1], t0: t0, t1: t1, pan: e.shiftKey, map: p[1] < 28 };
    canvas.setPointerCapture(e.pointerId);
    canvas.focus({ preventScroll: true });
    if (drag.map) toMap(p[0]);
  }
  function toMap(px) { var mid = (px - GUTTER) / (width - GUTTER - 8) * index.length, half = (t1 - t0) / 2; show(mid - half, mid + half); }
  function move(e) {
    var p = point(e), b;
    if (drag && drag.map) toMap(p[0]);
    else if (drag && drag.pan) { var d = (drag.x - p[0]) / (width - GUTTER - 8) * (drag.t1 - drag.t0); show(drag.t0 + d, drag.t1 + d); }
    else if (drag && Math.abs(p[0] - drag.x) > 3) {
      var a = Math.max(0, time(Math.max(GUTTER, Math.min(p[0], drag.x)))), z = Math.min(index.length, time(Math.max(p[0], drag.x)));
      var on = tracksBetween(Math.min(p[1], drag.y) + scroll - TOP, Math.max(p[1], drag.y) + scroll - TOP);
      area = { a0: a, a1: z, on: on.map(function (r) { return r.k.key; }).join(","), y: on.length ? [on[0].y, on[on.length - 1].y + on[on.length - 1].h] : [0, height] };
      drag.moved = true; draw();
    } else {
      b = under(p[0], p[1]);
      canvas.title = !b ? "" : b.loss ? b.loss[1] + " lost: " + b.loss[2] : b.n > 1 ? "×" + b.n + ", mostly " + names[b.name][0] : names[b.name][0] + ": " + duration(b.dur);
    }
  }
  function up(e) {
    var d = drag, p = point(e), b;
    drag = null;
    if (!d || d.pan || d.map) return;
    if (d.moved) { address(true); return; }
    b = under(p[0], p[1]);
    if (!b) { area = null; select(null); } else if (b.loss) return;
    else if (b.n > 1) show(b.ts - b.dur * .2, b.ts + b.dur * 1.2);
    else select({ track: b.k.i, lane: b.lane, ts: b.ts, dur: b.dur, sel: b.k.key + "@" + abs(b.ts) + ":" + b.lane });
  }
  function wheel(e) {
    if (e.ctrlKey || e.metaKey) { e.preventDefault(); zoom(e.deltaY > 0 ? 1.25 : .8, time(point(e)[0])); return; }
    if (e.shiftKey || Math.abs(e.deltaX) > Math.abs(e.deltaY)) { e.preventDefault(); pan((e.deltaX || e.deltaY) / 1000); return; }
    var most = Math.max(0, TOP + height - shown), next = Math.max(0, Math.min(most, scroll + e.deltaY));
    if (next !== scroll) { e.preventDefault(); scroll = next; draw(); }
  }
  function key(e) {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.matches("input, textarea, select")) return;
    if (Date.now() - lastG < 1500) { lastG = 0; return; }
    if (e.key === "g") { lastG = Date.now(); return; }
    var mid = (t0 + t1) / 2, done = true;
    if (e.key === "w") zoom(.6, mid);
    else if (e.key === "s") zoom(1 / .6, mid);
    else if (e.key === "a") pan(-.25);
    else if (e.key === "d") pan(.25);
    else if (e.key === ".") step(1);
    else if (e.key === ",") step(-1);
    else if (e.key === "f") fit();
    else if (e.key === "m") measure();
    else if (e.key === "Escape" && (picked || area)) { area = null; select(null); }
    else done = false;
    if (done) { e.preventDefault(); e.stopImmediatePropagation(); }
  }
  function fit() {
    if (area) show(area.a0, area.a1);
    else if (picked) show(picked.ts - picked.dur * .1, picked.ts + picked.dur * 1.1);
    else show(0, index.length);
  }
  function measure() {
    if (picked) area = { a0: picked.ts, a1: picked.ts + Math.max(1, picked.dur) };
    if (!area) return;
    rows.forEach(function (r) { if (picked && r.k && r.k.i === picked.track) { area.on = r.k.key; area.y = [r.y, r.y + r.h]; } });
    draw(); address(true);
    var table = document.getElementById("area");
    if (table) table.scrollIntoView({ block: "nearest" });
  }
  function find(input) {
    var words = input.value.trim().toLowerCase(), n = 0, events = 0;
    match = null;
    if (words) {
      match = { has: names.map(function (k) { var hit = k[0].toLowerCase().indexOf(words) >= 0; if (hit) n++, events += k[3]; return hit; }) };
      match.text = n + " names, " + events + " events; Enter goes to the next";
    }
    draw();
  }

  /* ---- beginning ---- */
  function resize() {
    width = Math.max(mount.clientWidth, 480);
    shown = Math.min(TOP + height, Math.max(240, Math.round(innerHeight * .62)));
    canvas.width = width * devicePixelRatio; canvas.height = shown * devicePixelRatio;
    canvas.style.width = width + "px"; canvas.style.height = shown + "px";
    draw();
  }
  function start(data) {
    var p = page.searchParams, input = document.querySelector(".filter .q");
    index = data; names = data.names; t1 = data.length;
    if (whole(p.get("t0")) && whole(p.get("t1"))) { t0 = Math.max(0, rel(p.get("t0"))); t1 = Math.min(data.length, rel(p.get("t1"))); }
    if (!(t1 > t0)) t0 = 0, t1 = data.length;
    layOut();
    if (whole(p.get("a0")) && whole(p.get("a1"))) {
      area = { a0: rel(p.get("a0")), a1: rel(p.get("a1")), on: p.get("on") };
      var on = rows.filter(function (r) { return r.k && area.on && area.on.split(",").indexOf(r.k.key) >= 0; });
      if (on.length) area.y = [on[0].y, on[on.length - 1].y + on[on.length - 1].h];
    }
    canvas = document.createElement("canvas"); ctx = canvas.getContext("2d");
    canvas.setAttribute("role", "img"); canvas.setAttribute("aria-label", "What ran when; the tables below have the same"); canvas.tabIndex = 0;
    status = document.createElement("p"); status.className = "note"; status.id = "status";
    mount.replaceChildren(canvas);
    mount.after(status);
    if (index.picked) picked = index.picked;
    resize(); readColours();
    canvas.addEventListener("pointerdown", down); canvas.addEventListener("pointermove", move); canvas.addEventListener("pointerup", up);
    canvas.addEventListener("wheel", wheel, { passive: false });
    addEventListener("keydown", key, true);
    new ResizeObserver(function () { if (Math.max(mount.clientWidth, 480) !== width) resize(); }).observe(mount);
    new MutationObserver(readColours).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", readColours);
    if (input) {
      input.addEventListener("input", function () { find(input); });
      input.form.addEventListener("submit", function (e) { e.preventDefault(); if (input.value.trim()) step(1, input.value.trim()); });
      if (input.value) find(input);
    }
    if (picked) select(picked);
  }
  function load() {
    fetch(mount.dataset.index).then(function (r) { return r.json(); }).then(function (data) {
      if (data.reading === undefined && mount.hasAttribute("data-reading")) location.reload();
      else if (data.reading === undefined) start(data);
      else setTimeout(load, 300);
    });
  }
  load();
})();
