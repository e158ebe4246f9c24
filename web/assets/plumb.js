/* plumb.js - what a page gains with JavaScript: the theme switch and keys. Every page works without it. */
(function () {
  "use strict";
  var root = document.documentElement, name = "plumb-theme", pending = 0, row = -1;
  root.setAttribute("data-js", "");
  function load() { try { return localStorage.getItem(name); } catch (e) { return null; } }
  function store(value) { try { localStorage.setItem(name, value); } catch (e) { /* private window */ } }
  function dark() {
    return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }
  function flip() { root.dataset.theme = dark() ? "light" : "dark"; store(root.dataset.theme); }
  if (load()) root.dataset.theme = load();

  function follow(link) { if (link) location.href = link.href; return !!link; }
  /* The rows that j and k walk: those of the first table or tree whose rows have a link. */
  function rows() {
    return Array.prototype.filter.call(document.querySelectorAll("main tbody tr, main .tree li, main li.hit-row"),
      function (r) { return r.querySelector("a") && r.offsetParent; });
  }
  function walk(step) {
    var all = rows();
    if (!all.length) return;
    if (all[row]) all[row].classList.remove("cur");
    row = Math.max(0, Math.min(all.length - 1, row + step));
    all[row].classList.add("cur");
    all[row].scrollIntoView({ block: "nearest" });
  }
  function open() {
    var r = rows()[row];
    return r ? follow(r.querySelector("a")) : false;
  }
  function close() {
    var url = new URL(location.href);
    if (!url.searchParams.has("sel")) return;
    url.searchParams.delete("sel");
    location.href = url.href;
  }
  function go(key) { return follow(document.querySelector(".rail a[data-key=\"" + CSS.escape(key) + "\"]")); }
  function act(key) {
    if (key === "/") { var f = document.querySelector(".find input:not([type=hidden])"); if (f) f.focus(); return !!f; }
    if (key === "?") return follow(document.querySelector("[data-act=help]"));
    if (key === "t") { flip(); return true; }
    if (key === "j") { walk(1); return true; }
    if (key === "k") { walk(-1); return true; }
    if (key === "Enter" && document.activeElement === document.body) return open();
    var step = /^([npNPue0-3 ]|Arrow\w+)$/.test(key) && document.querySelector("a[data-step=\"" + key + "\"]");
    if (step) return follow(step);
    if (key === "[") return follow(document.querySelector("a[rel=prev]"));
    if (key === "]") return follow(document.querySelector("a[rel=next]"));
    if (key === "Escape") { close(); return true; }
    return false;
  }
  /* A file that is still being written is looked at again, unless somebody is at work on the page. */
  function again() {
    if (!document.hidden && document.activeElement === document.body && !String(getSelection()) &&
        !document.querySelector("details[open]")) location.reload();
    else setTimeout(again, 3000);
  }
  addEventListener("DOMContentLoaded", function () {
    var frame = document.querySelector(".dw.graph"), first = frame && !location.hash && frame.querySelector("svg a");
    if (first) frame.scrollLeft += first.getBoundingClientRect().left - frame.getBoundingClientRect().left - frame.clientWidth / 2 + 100;
    if (document.body.hasAttribute("data-live")) setTimeout(again, 3000);
  });
  document.addEventListener("click", function (event) {
    if (event.target.closest("[data-act=theme]")) flip();
  });
  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input, textarea, select")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    var after = Date.now() - pending < 1500;
    pending = 0;
    if (after && go(event.key)) { event.preventDefault(); return; }
    if (event.key === "g") { pending = Date.now(); return; }
    if (act(event.key)) event.preventDefault();
  });
})();
