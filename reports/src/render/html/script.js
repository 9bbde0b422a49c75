"use strict";
// Draws the page's data: the timeline, a chart with a row for each host, and the table of hosts.
// Text is added as text nodes only, never as markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { stages, timeline, hosts } = data;
  const BUCKETS = timeline.entries.length;
  // Length of the axis in buckets. The last bucket may be used in part only.
  const AXIS = Math.min(BUCKETS, Math.max(timeline.wall_s / timeline.bucket_s, 1e-6));
  const CHART_ROWS_PER_PAGE = 25;
  const TABLE_ROWS_PER_PAGE = 50;
  const by = (id) => document.getElementById(id);

  // Creating elements.
  const SVG = "http://www.w3.org/2000/svg";
  function grow(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  }
  const html = (name, attributes = {}, ...children) => grow(document.createElement(name), attributes, children);
  const svg = (name, attributes = {}, ...children) => grow(document.createElementNS(SVG, name), attributes, children);
  const percent = (part, whole) => `${((part / whole) * 100).toFixed(3)}%`;

  // Numbers with units, formatted as in the text report.
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
    let unit = 0;
    while (bytes >= 999.95 && unit < units.length - 1) [bytes, unit] = [bytes / 1e3, unit + 1];
    return `${unit ? bytes.toFixed(1) : bytes} ${units[unit]}`;
  }
  const decimal = (number) => (number < 100 ? number.toFixed(1) : count(Math.round(number)));
  const errorsOf = (host) => Object.entries(host.errors).map(([kind, number]) => `${kind} ${count(number)}`).join(", ");
  const swatch = (stage) =>
    svg("svg", { class: "swatch", width: 16, height: 12, "aria-hidden": "true" }, svg("rect", { class: `stage ${stage}`, width: 16, height: 12 }));

  // The timeline: three charts with a common axis and a common cursor.
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
    const element = by("timeline");
    if (!(timeline.wall_s > 0)) {
      element.replaceWith(html("p", { class: "note" }, "The crawl took no time."));
      return;
    }
    const step = span(timeline.bucket_s);
    const rate = (counts) => counts.map((number) => number / timeline.bucket_s);
    const flight = stages.map((name, at) => ({ name: `stage ${name}`, stage: name, values: timeline.in_flight[at] }));
    const charts = [
      chart("Requests in flight, by stage", decimal, flight, 90),
      chart("Entries", (most) => `${decimal(most)} per second`, [{ name: "entries", values: rate(timeline.entries) }], 60),
      chart("Failed requests", (most) => `${count(most)} in ${step}`, [{ name: "failures", values: timeline.errors }], 36),
    ];
    const ticks = [0, 1, 2, 3, 4].map((quarter) => html("span", {}, span((timeline.wall_s * quarter) / 4)));
    element.append(...charts.map((each) => each.figure), html("div", { class: "axis", "aria-hidden": "true" }, ...ticks));

    let at = 0;
    function show(bucket, isMarked) {
      at = Math.min(BUCKETS - 1, Math.max(0, bucket));
      const stagesNow = flight.filter((layer) => layer.values[at] >= 0.05).sort((a, b) => b.values[at] - a.values[at]);
      const byStage = stagesNow.map((layer) => `${layer.stage} ${decimal(layer.values[at])}`).join(", ");
      const [requests, entries, failures] = charts.map((each) => each.totals[at]);
      const text =
        `${span(at * timeline.bucket_s)} to ${span(Math.min((at + 1) * timeline.bucket_s, timeline.wall_s))}: ${decimal(requests)} requests in flight` +
        `${byStage && ` (${byStage})`}, ${decimal(entries)} entries per second, ${count(failures)} failed, ${count(timeline.requests[at])} ended`;
      by("moment").textContent = isMarked ? text : "To read the figures of a moment, point at the charts, or focus them and press the arrow keys.";
      element.setAttribute("aria-valuenow", at);
      element.setAttribute("aria-valuetext", text);
      for (const { cursor } of charts) {
        cursor.setAttribute("x1", at + 0.5);
        cursor.setAttribute("x2", at + 0.5);
        cursor.setAttribute("visibility", isMarked ? "visible" : "hidden");
      }
    }
    element.setAttribute("aria-valuemax", BUCKETS - 1);
    show(0, false);
    element.addEventListener("pointermove", (event) => {
      const box = charts[0].cursor.ownerSVGElement.getBoundingClientRect();
      show(Math.floor(((event.clientX - box.left) / box.width) * AXIS), true);
    });
    element.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -BUCKETS, End: BUCKETS }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      show(at + step, true);
    });
  }

  // Shows a list page by page, because thousands of hosts at once would make the page slow.
  function pager(nav, perPage, draw) {
    let [items, page] = [[], 0];
    const pageButton = (text, step) => {
      const button = html("button", { type: "button" }, text);
      button.addEventListener("click", () => show(page + step));
      return button;
    };
    const [previous, position, next] = [pageButton("Previous", -1), html("span", { "aria-live": "polite" }), pageButton("Next", 1)];
    function show(wanted) {
      const last = Math.max(0, Math.ceil(items.length / perPage) - 1);
      page = Math.min(last, Math.max(0, wanted));
      const from = page * perPage;
      draw(items.slice(from, from + perPage));
      [previous.disabled, next.disabled] = [page === 0, page === last];
      position.textContent = `${count(from + 1)} to ${count(Math.min(items.length, from + perPage))} of ${count(items.length)}`;
      nav.replaceChildren(...(last > 0 ? [previous, position, next] : []));
    }
    return (all) => {
      items = all;
      show(0);
    };
  }

  // The chart of hosts.
  function chartRow(host) {
    const row = host.chart_row;
    const picture = svg("svg", { width: "100%", height: 16, role: "img", "aria-label": summary(host) });
    for (let from = 0; from < row.length; ) {
      let to = from + 1;
      while (to < row.length && row[to] === row[from]) to++;
      if (row[from] !== " ") {
        const stage = stages[Number(row[from])];
        const attributes = { class: `stage ${stage}`, x: percent(from, AXIS), width: percent(Math.min(to, AXIS) - from, AXIS), height: 16 };
        const when = `${stage}, ${span(from * timeline.bucket_s)} to ${span(Math.min(to * timeline.bucket_s, timeline.wall_s))}`;
        picture.append(svg("rect", attributes, svg("title", {}, when)));
      }
      from = to;
    }
    return html("div", { class: "chart-row" }, html("span", { title: host.origin }, host.origin), picture, html("span", {}, span(host.wall_s)));
  }
  function summary(host) {
    const parts = stages.map((stage, at) => [stage, host.stages_s[at]]).filter(([, s]) => s > 0).sort((a, b) => b[1] - a[1]);
    return parts.map(([stage, s]) => `${stage} ${span(s)}`).join(", ") || "no time";
  }
  const showChartRows = pager(by("chart-rows-pager"), CHART_ROWS_PER_PAGE, (shown) =>
    by("chart-rows").replaceChildren(...(shown.length ? shown.map(chartRow) : [html("p", { class: "note" }, "No hosts to show.")])));

  // The table.
  function shareBar(host) {
    const whole = host.stages_s.reduce((a, b) => a + b, 0);
    if (whole === 0) return "";
    const picture = svg("svg", { class: "share", width: "100%", height: 12, role: "img", "aria-label": summary(host) }, svg("title", {}, summary(host)));
    let at = 0;
    host.stages_s.forEach((s, stage) => {
      if (s > 0) picture.append(svg("rect", { class: `stage ${stages[stage]}`, x: percent(at, whole), width: percent(s, whole), height: 12 }));
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
  function tableRow(host) {
    const [first, ...others] = columns;
    const mark = host.complete ? "origin" : "origin unfinished";
    const cells = others.map((column) => html("td", column.kind ? { class: column.kind } : {}, column.cell(host)));
    return html("tr", {}, html("th", { scope: "row", class: mark }, first.cell(host)), ...cells);
  }
  const body = by("table").tBodies[0];
  const showTableRows = pager(by("table-pager"), TABLE_ROWS_PER_PAGE, (shown) => body.replaceChildren(...shown.map(tableRow)));

  let order = { column: columns[1], isUp: false };
  const heads = columns.map((column) => {
    const head = html("th", column.kind === "number" ? { scope: "col", class: "number" } : { scope: "col" });
    if (!column.key) {
      head.append(column.name);
      return head;
    }
    const button = html("button", { type: "button" }, column.name);
    button.addEventListener("click", () => {
      // The first click sorts names from a to z and numbers from the largest down. A second click reverses the order.
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
    const omitted = data.hosts_known - hosts.length;
    const note = omitted > 0 ? `; the ${count(omitted)} fastest are not shown, but the JSON report of a crawl that is not running has them` : "";
    by("found").textContent = `${count(found.length)} of ${count(data.hosts_known)} hosts${note}`;
    showChartRows(found.filter((host) => host.chart_row !== undefined));
    const { column, isUp } = order;
    const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
    showTableRows([...found].sort((a, b) => (isUp ? 1 : -1) * compare(column.key(a), column.key(b))));
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
