// What scripts add to a page that is whole without them: the colour scheme, whether it is live, charts.
"use strict";

const SCHEME = "paceline-scheme";
const root = document.documentElement;
const dark = matchMedia("(prefers-color-scheme: dark)");

function scheme() {
  return root.dataset.scheme || (dark.matches ? "dark" : "light");
}

try {
  const kept = localStorage.getItem(SCHEME);
  if (kept === "dark" || kept === "light") root.dataset.scheme = kept;
} catch {
  // no storage: the system's scheme
}

// --- charts ---------------------------------------------------------------------------------------

const SERIES = {
  rate: [["frames_per_second", 1]],
  latency: [["latency_seconds_p50", 1000], ["latency_seconds_p95", 1000]],
};
const FRESH_MS = 2000;
const LEAST_SECONDS = 60;
const charts = new Map(); // the section: what is drawn in it

function colour(figure, key) {
  return getComputedStyle(figure.querySelector(`[data-series-key="${key}"]`)).color;
}

function told(name, numbers, unit) {
  const known = numbers.filter((value) => value !== null);
  if (!known.length) return `${name}: nothing heard`;
  const [now, low, high] = [known.at(-1), Math.min(...known), Math.max(...known)];
  return `${name}: now ${now.toFixed(1)}, lowest ${low.toFixed(1)}, highest ${high.toFixed(1)}${unit}`;
}

function draw(figure, data) {
  const [kind, plot] = [figure.dataset.chart, figure.querySelector(".plot")];
  const wanted = SERIES[kind];
  const values = wanted.map(([key, by]) => data[key].map((v) => (v === null ? null : v * by)));
  const unit = kind === "latency" ? " ms" : "";
  const style = getComputedStyle(figure);
  const axis = {
    stroke: getComputedStyle(figure.querySelector(".said")).color,
    font: `11px ${style.fontFamily}`,
    grid: { stroke: style.borderTopColor, width: 1 },
    ticks: { show: false },
  };
  const span = data.at_unix_seconds;
  const options = {
    width: plot.clientWidth,
    height: plot.clientHeight,
    legend: { show: false },
    cursor: { show: false },
    padding: [8, 4, 0, 0],
    scales: { y: { range: (_, __, high) => [0, high > 0 ? high * 1.12 : 1] } },
    axes: [
      { ...axis, size: 26, gap: 6, space: 64, incrs: [15, 30, 60, 120, 300, 900, 3600], values: (_, ticks, __, ___, step) => ticks.map((t) => clock(t, step)) },
      { ...axis, size: 46, space: 32 },
    ],
    series: [
      {},
      ...wanted.map(([key]) => ({ stroke: colour(figure, key), width: 2, points: { show: false } })),
    ],
  };
  const made = new uPlot(options, [span, ...values], plot);
  const names = wanted.map(([key]) => figure.querySelector(`[data-series-key="${key}"]`).textContent);
  figure.querySelector(".said").textContent = names.map((n, i) => told(n, values[i], unit)).join("  ·  ");
  return made;
}

function clock(seconds, step) {
  const exact = step < 60 ? { second: "2-digit" } : {};
  return new Date(seconds * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false, ...exact });
}

// A hub that is young shows the time that it knows, a minute at least.
function begun(data) {
  const first = data.frames_per_second.findIndex((value) => value !== null);
  const least = data.at_unix_seconds.length - Math.ceil(LEAST_SECONDS / data.step_seconds);
  const from = Math.max(0, first < 0 ? 0 : Math.min(first, least));
  return Object.fromEntries(Object.entries(data).map(([key, v]) => [key, Array.isArray(v) ? v.slice(from) : v]));
}

function redraw(section) {
  const state = charts.get(section);
  if (!state?.data) return;
  state.drawn.forEach((chart) => chart.destroy());
  state.drawn = [...section.querySelectorAll("[data-chart]")].map((figure) => draw(figure, state.data));
}

async function refresh(section) {
  if (document.hidden) return;
  try {
    const answer = await fetch(section.dataset.series, { headers: { Accept: "application/json" } });
    if (answer.ok && charts.has(section)) {
      charts.get(section).data = begun(await answer.json());
      redraw(section);
    }
  } catch {
    // the hub is away: the page says so, and the charts stay as they are
  }
}

function tend() {
  for (const [section, state] of charts) {
    if (section.isConnected) continue;
    clearInterval(state.timer);
    state.drawn.forEach((chart) => chart.destroy());
    state.observer.disconnect();
    charts.delete(section);
  }
  for (const section of document.querySelectorAll("[data-series]")) {
    if (charts.has(section)) continue;
    let width = section.clientWidth;
    const observer = new ResizeObserver(() => {
      if (section.clientWidth === width) return;
      width = section.clientWidth;
      redraw(section);
    });
    observer.observe(section);
    const timer = setInterval(() => refresh(section), FRESH_MS);
    charts.set(section, { drawn: [], data: null, observer, timer });
    refresh(section);
  }
}

// --- the page -------------------------------------------------------------------------------------

const QUIET_MS = 4000;
let heard = 0;

function say(word, state) {
  const live = document.getElementById("live");
  if (live.dataset.live !== state) {
    live.dataset.live = state;
    document.getElementById("live-word").textContent = word;
  }
}

function schemeChanged() {
  const [theme, other] = [document.getElementById("theme"), scheme() === "dark" ? "light" : "dark"];
  theme.textContent = other;
  theme.setAttribute("aria-label", `Use ${other} colours`);
  charts.forEach((_, section) => redraw(section));
}

document.addEventListener("DOMContentLoaded", () => {
  const [live, theme] = [document.getElementById("live"), document.getElementById("theme")];
  live.hidden = theme.hidden = false;
  theme.addEventListener("click", () => {
    root.dataset.scheme = scheme() === "dark" ? "light" : "dark";
    try {
      localStorage.setItem(SCHEME, root.dataset.scheme);
    } catch {
      // not kept then
    }
    schemeChanged();
  });
  dark.addEventListener("change", schemeChanged);
  document.addEventListener("visibilitychange", () => charts.forEach((_, section) => refresh(section)));
  document.addEventListener("htmx:sse:after:message", () => {
    heard = performance.now();
    say("live", "yes");
    document.title = document.querySelector("[data-title]").dataset.title;
    tend();
  });
  setInterval(() => {
    if (performance.now() - heard < QUIET_MS || document.hidden) return;
    say("not live: no word from the hub", "no");
    htmx.trigger(live, "again"); // does nothing while hx-sse itself tries; it does not when the first try failed
  }, 2000);
  schemeChanged();
  tend();
});
