// The live view: bars of the last minute and the newest events. One file, no build, nothing from another host.
// What came from the wire only ever becomes text (textContent), never markup.
const STYLE = `
.ngl{font:13px/1.4 system-ui,sans-serif;border:1px solid rgba(128,128,128,.3);border-radius:8px;overflow:hidden;max-width:860px}
.ngl-head{display:flex;gap:16px;align-items:baseline;padding:7px 12px;color:#fff;background:linear-gradient(90deg,#4338ca,#0e7490)}
.ngl-head b{font-size:14px}.ngl-head span{opacity:.92}.ngl-state{margin-left:auto}
.ngl canvas{display:block;width:100%;height:110px}
.ngl .ngl-rows{width:100%;border-collapse:collapse;margin:0;table-layout:fixed}
.ngl .ngl-rows td{padding:2px 12px;border:0;border-top:1px solid rgba(128,128,128,.18);text-align:left;white-space:nowrap;
overflow:hidden;text-overflow:ellipsis;font-size:12px;background:transparent}
.ngl .ngl-rows td:nth-child(1){width:92px;opacity:.7}.ngl .ngl-rows td:nth-child(2){width:170px}
.ngl .ngl-novel td:nth-child(2){color:#ea580c;font-weight:600}.ngl .ngl-gap td{color:#b91c1c}
.ngl .ngl-none td{opacity:.6}`;
const NOVEL = "#ea580c", KNOWN = "#6366f1", LINE = "rgba(128,128,128,.35)";
const RECENT = 10; // bars that the rate is taken of
const LEAST = 100; // milliseconds between two drawings

function element(name, parent, text) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}

// Positions of the bars, from right (now) to left, as plain numbers: [x, width, height, height of the novel part].
export function bars(state, shift, width, height) {
  const step = width / state.buckets;
  const top = Math.max(4, ...state.bars.map((bar) => bar[1]));
  return state.bars
    .map(([age, count, novel]) => [width - (age + shift + 1) * step, Math.max(1, step - 1), (count / top) * height, (novel / top) * height])
    .filter(([x]) => x + step > 0);
}

// Events a second of the last whole bars; what comes no more makes it fall, though nothing is sent then.
export function rate(state, shift) {
  const recent = state.bars.filter(([age]) => age + shift >= 1 && age + shift <= RECENT);
  return recent.reduce((sum, bar) => sum + bar[1], 0) / (RECENT * state.bucket);
}

function draw(canvas, state, shift) {
  const ratio = globalThis.devicePixelRatio || 1;
  const width = canvas.clientWidth || 600, height = canvas.clientHeight || 110;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  const foot = 16, room = height - foot - 6;
  for (const [x, wide, tall, novel] of bars(state, shift, width, room)) {
    pen.fillStyle = KNOWN;
    pen.fillRect(x, height - foot - tall, wide, tall);
    pen.fillStyle = NOVEL;
    pen.fillRect(x, height - foot - novel, wide, novel);
  }
  pen.fillStyle = LINE;
  pen.fillRect(0, height - foot, width, 1);
  pen.fillStyle = "#888";
  pen.font = "11px system-ui,sans-serif";
  pen.fillText(`${state.buckets * state.bucket} s ago`, 12, height - 4);
  pen.textAlign = "right";
  pen.fillText(`now · most in ${state.bucket} s: ${Math.max(0, ...state.bars.map((bar) => bar[1]))}`, width - 12, height - 4);
}

function lines(table, state) {
  table.replaceChildren();
  for (const line of state.lines) {
    const row = element("tr", table);
    row.className = `ngl-${line.kind}`;
    element("td", row, line.time ?? "gap");
    element("td", row, line.key ? `${line.event} ${line.key}` : (line.event ?? ""));
    element("td", row, line.text).title = line.text;
  }
  if (state.lines.length === 0) {
    const row = element("tr", table);
    row.className = "ngl-none";
    element("td", row, "…");
    element("td", row, "nothing yet");
    element("td", row, "");
  }
}

function head(parts, state, shift) {
  parts.channel.textContent = state.channel;
  parts.rate.textContent = `${rate(state, shift).toFixed(1)} events/s`;
  parts.total.textContent = `${state.total} events`;
  parts.novel.textContent = state.novel ? `${state.novel} novel` : "";
  parts.missed.textContent = state.missed ? `${state.missed} missed` : "";
  parts.state.textContent = state.status;
}

function render({ model, el }) {
  const root = element("div", el);
  root.className = "ngl";
  element("style", root, STYLE);
  const bar = element("div", root);
  bar.className = "ngl-head";
  const parts = { channel: element("b", bar) };
  for (const name of ["rate", "total", "novel", "missed", "state"]) parts[name] = element("span", bar);
  parts.state.className = "ngl-state";
  const canvas = element("canvas", root);
  const rows = element("table", root);
  rows.className = "ngl-rows";
  const table = element("tbody", rows);
  let drawn = 0, waiting = 0, came = Date.now();

  function paint() {
    waiting = 0;
    drawn = Date.now();
    const state = model.get("state");
    const shift = Math.floor((drawn - came) / 1000 / state.bucket);
    head(parts, state, shift);
    draw(canvas, state, shift);
    lines(table, state);
  }
  function soon() {
    if (!waiting) waiting = setTimeout(paint, Math.max(0, drawn + LEAST - Date.now()));
  }
  function changed() {
    came = Date.now();
    soon();
  }
  model.on("change:state", changed);
  const clock = setInterval(soon, 1000); // time goes on where nothing comes
  paint();
  return () => {
    clearInterval(clock);
    clearTimeout(waiting);
    model.off("change:state", changed);
  };
}

export default { render };
