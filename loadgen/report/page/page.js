(function () {
  "use strict";
  var root = document.documentElement;
  root.classList.add("js");

  var button = document.getElementById("theme");
  var dark = matchMedia("(prefers-color-scheme: dark)").matches;
  function show() { button.textContent = dark ? "light" : "dark"; }
  button.hidden = false;
  button.addEventListener("click", function () {
    dark = !dark;
    root.dataset.theme = dark ? "dark" : "light";
    show();
  });
  show();

  var bubble = document.createElement("div");
  bubble.id = "bubble";
  bubble.hidden = true;
  document.body.appendChild(bubble);
  document.querySelectorAll(".plot .tip").forEach(function (shape) {
    var title = shape.querySelector("title");
    var text = title.textContent;
    title.remove();
    shape.setAttribute("aria-label", text);
    function point() {
      var at = shape.getBoundingClientRect();
      bubble.textContent = text;
      bubble.hidden = false;
      var box = bubble.getBoundingClientRect();
      var left = at.left + at.width / 2 - box.width / 2;
      bubble.style.left = Math.max(6, Math.min(left, innerWidth - box.width - 6)) + "px";
      bubble.style.top = (at.top > box.height + 12 ? at.top - box.height - 8 : at.bottom + 8) + "px";
    }
    shape.addEventListener("pointerenter", point);
    shape.addEventListener("pointerleave", function () { bubble.hidden = true; });
  });
  addEventListener("scroll", function () { bubble.hidden = true; }, { passive: true });

  document.querySelectorAll("table.sortable").forEach(function (table) {
    var body = table.tBodies[0];
    var rows = Array.prototype.slice.call(body.rows);
    var heads = Array.prototype.slice.call(table.tHead.rows[0].cells);
    heads.forEach(function (head, i) {
      head.addEventListener("click", function () {
        var was = head.getAttribute("aria-sort");
        var now = was === "descending" ? "ascending" : was === "ascending" ? "" : "descending";
        heads.forEach(function (h) { h.removeAttribute("aria-sort"); });
        var order = rows.slice();
        if (now) {
          head.setAttribute("aria-sort", now);
          var sign = now === "ascending" ? 1 : -1;
          order.sort(function (a, b) {
            var x = a.cells[i].textContent, y = b.cells[i].textContent;
            var n = parseFloat(x), m = parseFloat(y);
            if (i < 2 || (isNaN(n) && isNaN(m))) { return sign * x.localeCompare(y, undefined, { numeric: true }); }
            if (isNaN(n)) { return 1; }
            if (isNaN(m)) { return -1; }
            return sign * (n - m);
          });
        }
        order.forEach(function (row) { row.classList.toggle("begin", !now && row.dataset.begin === "1"); body.appendChild(row); });
      });
    });
    rows.forEach(function (row) { row.dataset.begin = row.classList.contains("begin") ? "1" : ""; });
  });
})();
