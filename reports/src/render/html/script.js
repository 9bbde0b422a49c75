"use strict";
// Draws what the page's data hold: the timeline, a lane for each host, and the table of hosts.
// Text goes into the page as text nodes only, never as markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { stages, timeline, hosts } = data;
  const BUCKETS = timeline.entries.length;
  // Buckets from the beginning of the axis to its end, which may lie within the last one.
  const AXIS = Math.min(BUCKETS, Math.max(timeline.wall_s / timeline.bucket_s, 1e-6));
  const LANES_A_PAGE = 25;
  const ROWS_A_PAGE = 50;
  const by = (id) => document.getElementById(id);

  // Elements.
  const SVG = "http://www.w3.org/2000/svg";
  function grow(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  }
  const html = (name, attributes = {}, ...children) => grow(document.createElement(name), attributes, children);
  const svg = (name, attributes = {}, ...children) => grow(document.createElementNS(SVG, name), attributes, children);
  const percent = (part, whole) => `${((part / whole) * 100).toFixed(3)}%`;

  // Numbers with their units, as in the text report.
  const count = (number) => number.toLocaleString("en-US");
  function span(s) {
    if (s === 0) return "0";
    if (s < 0.01) return `${(s * 1e3).toFixed(1)} ms`;
    if (s < 0.9995) return `${(s * 1e3).toFixed(0)} ms`;
    if (s < 119.95) return `${s.toFixed(1)} s`;
    const whole = Math.round(s);
    const two = (number) => String(number).padStart(2, "0");
    if (whole < 7200) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
    if (whole < 360000) return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
    return `${Math.floor(whole / 86400)} d ${two(Math.floor((whole % 86400) / 3600))} h`;
  }
  function size(bytes) {
    const units = ["B", "kB", "MB", "GB", "TB"];
    let place = 0;
    while (bytes >= 999.95 && place < units.length - 1) [bytes, place] = [bytes / 1e3, place + 1];
    return `${place ? bytes.toFixed(1) : bytes} ${units[place]}`;
  }
  const decimal = (number) => (number < 100 ? number.toFixed(1) : count(Math.round(number)));
  const errorsOf = (host) => Object.entries(host.errors).map(([kind, number]) => `${kind} ${count(number)}`).join(", ");
  const swatch = (stage) =>
    svg("svg", { class: "swatch", width: 16, height: 12, "aria-hidden": "true" }, svg("rect", { class: `stage ${stage}`, width: 16, height: 12 }));

  // The timeline: three charts over one axis, and a cursor through them.
  function chart(caption, peak, layers, height) {
    const totals = Array.from({ length: BUCKETS }, (_, at) => layers.reduce((sum, layer) => sum + layer.values[at], 0));
    const most = totals.reduce((a, b) => Math.max(a, b), 0);
    const picture = svg("svg", { width: "100%", height, viewBox: `0 0 ${AXIS} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    const base = new Array(BUCKETS).fill(0);
    for (const { name, values } of layers) {
      if (most === 0 || !values.some((value) => value > 0)) continue;
      let [up, down] = ["", ""];
      for (let at = 0; at < BUCKETS; at++) {
        const [low, high] = [base[at], base[at] + values[at]].map((value) => (height * (1 - value / most)).toFixed(2));
        const end = Math.min(at + 1, AXIS);
        up += `L${at} ${high}L${end} ${high}`;
        down = `L${end} ${low}L${at} ${low}${down}`;
        base[at] += values[at];
      }
      picture.append(svg("path", { class: name, d: `M${up.slice(1)}${down}Z` }));
    }
    const line = (name, at) => svg("line", { class: name, x1: at, x2: at, y1: 0, y2: height, "vector-effect": "non-scaling-stroke" });
    picture.append(svg("line", { class: "base", x1: 0, x2: AXIS, y1: height, y2: height, "vector-effect": "non-scaling-stroke" }));
    for (const start of timeline.sessions_at_s.slice(1)) picture.append(line("session", start / timeline.bucket_s));
    const cursor = line("cursor", -1);
    cursor.setAttribute("visibility", "hidden");
    picture.append(cursor);
    const aside = html("span", {}, most === 0 ? "none" : `peak ${peak(most)}`);
    const figure = html("figure", {}, html("figcaption", {}, html("span", {}, caption), aside), picture);
    return { figure, cursor, totals };
  }

  function drawTimeline() {
    const place = by("timeline");
    if (!(timeline.wall_s > 0)) {
      place.replaceWith(html("p", { class: "note" }, "No time was spent."));
      return;
    }
    const step = span(timeline.bucket_s);
    const rate = (counts) => counts.map((number) => number / timeline.bucket_s);
    const flight = stages.map((name, at) => ({ name: `stage ${name}`, stage: name, values: timeline.in_flight[at] }));
    const charts = [
      chart("Requests in flight, by stage", decimal, flight, 90),
      chart("Entries", (most) => `${decimal(most)} a second`, [{ name: "entries", values: rate(timeline.entries) }], 60),
      chart("Failed requests", (most) => `${count(most)} in ${step}`, [{ name: "failures", values: timeline.errors }], 36),
    ];
    const ticks = [0, 1, 2, 3, 4].map((quarter) => html("span", {}, span((timeline.wall_s * quarter) / 4)));
    place.append(...charts.map((each) => each.figure), html("div", { class: "axis", "aria-hidden": "true" }, ...ticks));

    let at = 0;
    function show(bucket, isMarked) {
      at = Math.min(BUCKETS - 1, Math.max(0, bucket));
      const stagesNow = flight.filter((layer) => layer.values[at] >= 0.05).sort((a, b) => b.values[at] - a.values[at]);
      const what = stagesNow.map((layer) => `${layer.stage} ${decimal(layer.values[at])}`).join(", ");
      const [requests, entries, failures] = charts.map((each) => each.totals[at]);
      const text =
        `${span(at * timeline.bucket_s)} to ${span(Math.min((at + 1) * timeline.bucket_s, timeline.wall_s))}: ${decimal(requests)} requests in flight` +
        `${what && ` (${what})`}, ${decimal(entries)} entries a second, ${count(failures)} failed, ${count(timeline.requests[at])} ended`;
      by("moment").textContent = isMarked ? text : "Point at the charts, or focus them and use the arrow keys, to read the figures of a moment.";
      place.setAttribute("aria-valuenow", at);
      place.setAttribute("aria-valuetext", text);
      for (const { cursor } of charts) {
        cursor.setAttribute("x1", at + 0.5);
        cursor.setAttribute("x2", at + 0.5);
        cursor.setAttribute("visibility", isMarked ? "visible" : "hidden");
      }
    }
    place.setAttribute("aria-valuemax", BUCKETS - 1);
    show(0, false);
    place.addEventListener("pointermove", (event) => {
      const box = charts[0].cursor.ownerSVGElement.getBoundingClientRect();
      show(Math.floor(((event.clientX - box.left) / box.width) * AXIS), true);
    });
    place.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -BUCKETS, End: BUCKETS }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      show(at + step, true);
    });
  }

  // A list shown a page at a time, so that thousands of hosts stay light.
  function pager(nav, perPage, draw) {
    let [items, page] = [[], 0];
    const turn = (text, step) => {
      const button = html("button", { type: "button" }, text);
      button.addEventListener("click", () => show(page + step));
      return button;
    };
    const [back, where, on] = [turn("Previous", -1), html("span", { "aria-live": "polite" }), turn("Next", 1)];
    function show(wanted) {
      const last = Math.max(0, Math.ceil(items.length / perPage) - 1);
      page = Math.min(last, Math.max(0, wanted));
      const from = page * perPage;
      draw(items.slice(from, from + perPage));
      [back.disabled, on.disabled] = [page === 0, page === last];
      where.textContent = `${count(from + 1)} to ${count(Math.min(items.length, from + perPage))} of ${count(items.length)}`;
      nav.replaceChildren(...(last > 0 ? [back, where, on] : []));
    }
    return (all) => {
      items = all;
      show(0);
    };
  }

  // The lanes.
  function lane(host) {
    const picture = svg("svg", { width: "100%", height: 16, role: "img", "aria-label": summary(host) });
    for (let from = 0; from < host.lane.length; ) {
      let to = from + 1;
      while (to < host.lane.length && host.lane[to] === host.lane[from]) to++;
      if (host.lane[from] !== " ") {
        const stage = stages[Number(host.lane[from])];
        const place = { class: `stage ${stage}`, x: percent(from, AXIS), width: percent(Math.min(to, AXIS) - from, AXIS), height: 16 };
        const when = `${stage}, ${span(from * timeline.bucket_s)} to ${span(Math.min(to * timeline.bucket_s, timeline.wall_s))}`;
        picture.append(svg("rect", place, svg("title", {}, when)));
      }
      from = to;
    }
    return html("div", { class: "lane" }, html("span", { title: host.origin }, host.origin), picture, html("span", {}, span(host.wall_s)));
  }
  function summary(host) {
    const parts = stages.map((stage, at) => [stage, host.stages_s[at]]).filter(([, s]) => s > 0).sort((a, b) => b[1] - a[1]);
    return parts.map(([stage, s]) => `${stage} ${span(s)}`).join(", ") || "no time";
  }
  const showLanes = pager(by("lanes-pager"), LANES_A_PAGE, (shown) =>
    by("lanes").replaceChildren(...(shown.length ? shown.map(lane) : [html("p", { class: "note" }, "No lane.")])));

  // The table.
  function shareBar(host) {
    const whole = host.stages_s.reduce((a, b) => a + b, 0);
    if (whole === 0) return "";
    const picture = svg("svg", { class: "share", width: "100%", height: 12, role: "img", "aria-label": summary(host) }, svg("title", {}, summary(host)));
    let at = 0;
    host.stages_s.forEach((s, place) => {
      if (s > 0) picture.append(svg("rect", { class: `stage ${stages[place]}`, x: percent(at, whole), width: percent(s, whole), height: 12 }));
      at += s;
    });
    return picture;
  }
  const errorsSum = (host) => Object.values(host.errors).reduce((a, b) => a + b, 0);
  const columns = [
    { name: "Host", key: (host) => host.origin, cell: (host) => host.origin, kind: "origin" },
    { name: "Took", key: (host) => host.wall_s, cell: (host) => span(host.wall_s), kind: "number" },
    { name: "Bound by", key: (host) => host.bound ?? "", cell: (host) => host.bound ?? "-" },
    { name: "Where its time went", cell: shareBar },
    { name: "Requests", key: (host) => host.requests, cell: (host) => count(host.requests), kind: "number" },
    { name: "Received", key: (host) => host.bytes, cell: (host) => size(host.bytes), kind: "number" },
    { name: "Sitemaps", key: (host) => host.sitemaps, cell: (host) => count(host.sitemaps), kind: "number" },
    { name: "Entries", key: (host) => host.entries, cell: (host) => count(host.entries), kind: "number" },
    { name: "Errors", key: errorsSum, cell: errorsOf, kind: "kinds" },
  ];
  function row(host) {
    const [first, ...others] = columns;
    const mark = host.complete ? "origin" : "origin unfinished";
    const cells = others.map((column) => html("td", column.kind ? { class: column.kind } : {}, column.cell(host)));
    return html("tr", {}, html("th", { scope: "row", class: mark }, first.cell(host)), ...cells);
  }
  const body = by("table").tBodies[0];
  const showRows = pager(by("table-pager"), ROWS_A_PAGE, (shown) => body.replaceChildren(...shown.map(row)));

  let order = { column: columns[1], isUp: false };
  const heads = columns.map((column) => {
    const head = html("th", column.kind === "number" ? { scope: "col", class: "number" } : { scope: "col" });
    if (!column.key) {
      head.append(column.name);
      return head;
    }
    const button = html("button", { type: "button" }, column.name);
    button.addEventListener("click", () => {
      // Names begin with a, numbers with the largest; a second click turns the order.
      const isUp = order.column === column ? !order.isUp : !["number", "kinds"].includes(column.kind);
      order = { column, isUp };
      show();
    });
    head.append(button);
    return head;
  });
  by("table").tHead.append(html("tr", {}, ...heads));

  function show() {
    const wanted = by("search").value.trim().toLowerCase();
    const found = hosts.filter((host) => {
      const text = `${host.origin} ${host.bound ?? ""} ${Object.keys(host.errors).join(" ")}`.toLowerCase();
      return text.includes(wanted) && !(by("incomplete").checked && host.complete);
    });
    const lost = data.hosts_known - hosts.length;
    const beyond = lost > 0 ? `; the ${count(lost)} quickest are not here: the JSON report of a crawl at rest has them` : "";
    by("found").textContent = `${count(found.length)} of ${count(data.hosts_known)} hosts${beyond}`;
    showLanes(found.filter((host) => host.lane !== undefined));
    const { column, isUp } = order;
    const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
    showRows([...found].sort((a, b) => (isUp ? 1 : -1) * compare(column.key(a), column.key(b))));
    columns.forEach((each, at) => {
      if (each === column) heads[at].setAttribute("aria-sort", isUp ? "ascending" : "descending");
      else heads[at].removeAttribute("aria-sort");
    });
  }

  for (const section of document.querySelectorAll(".drawn")) section.hidden = false;
  drawTimeline();
  by("legend").append(...stages.map((stage) => html("li", {}, swatch(stage), stage)));
  by("filter").addEventListener("submit", (event) => event.preventDefault());
  by("filter").addEventListener("input", show);
  show();
})();
