/* The page "Try it": controls, bars and counts; the arithmetic is in tryit-arithmetic.js. */
"use strict";

(() => {
  const data = globalThis.tryItData;
  const tta = globalThis.tryItArithmetic;
  const K = data.classes.length;
  const PER_VIEW = data.labels.length * K;
  const POLICIES = { mean: "mean", geometric_mean: "geometric mean", vote: "vote" };
  const MARKS = { right: "✓", wrong: "✗", fixed: "+", broken: "−" };
  const decoded = {};
  const state = {
    network: data.networks[1],
    policy: "mean",
    temperature: 1,
    picture: -1, // the first that the first setting fixes
    on: data.views.map((_, view) => view < 2),
    weights: data.views.map(() => 1),
  };

  const byId = (id) => document.getElementById(`tryit-${id}`);
  const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)}\u00a0%`;
  const points = (share) => {
    const value = Math.round(10000 * share) / 100 + 0;
    return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
  };

  /* An element with attributes and children. */
  function make(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  /* A small picture out of the sheet: a row a picture, a column a view. */
  function tile(row, view) {
    const place = `--column: ${view}; --row: ${row}`;
    return make("span", { class: "tryit-tile", style: place, "aria-hidden": "true" });
  }

  /* The probabilities of the chosen network, decoded once. */
  function probabilities() {
    decoded[state.network] ??= tta.decoded(data.probs[state.network], data.step, K);
    return decoded[state.network];
  }

  /* What the average makes of one picture, in one word. */
  const outcome = (was, is) => (was ? (is ? "right" : "broken") : is ? "fixed" : "wrong");

  // ------------------------------------------------------------ the controls, made once

  function radio(name, value, checked, onChange, ...label) {
    const input = make("input", { type: "radio", name: `tryit-${name}`, value });
    input.checked = checked;
    input.addEventListener("change", () => onChange(value));
    return make("label", {}, input, ...label);
  }

  function choices(name, options, key) {
    for (const [value, label] of Object.entries(options)) {
      const take = (chosen) => ((state[key] = chosen), update());
      byId(name).append(radio(key, value, state[key] === value, take, ` ${label}`));
    }
  }

  function pictures() {
    data.shown.forEach((image, row) => {
      const name = make("span", { class: "tryit-hidden" });
      const mark = make("span", { class: "tryit-mark", "aria-hidden": "true" });
      const take = () => ((state.picture = image), update());
      const label = radio("picture", image, image === state.picture, take, tile(row, 0), mark, name);
      label.className = "tryit-picture";
      byId("pictures").append(label);
    });
  }

  function viewRow(view) {
    const check = make("input", { type: "checkbox", id: `tryit-on-${view}` });
    const weight = make("input", { type: "range", min: 0, max: 4, step: 0.25, id: `tryit-weight-${view}` });
    check.addEventListener("change", () => ((state.on[view] = check.checked), update()));
    weight.addEventListener("input", () => ((state.weights[view] = Number(weight.value)), update()));
    const name = make("label", { for: check.id }, data.views[view]);
    const label = make("label", { for: weight.id }, "weight", make("span", { class: "tryit-hidden" }, ` of ${data.views[view]}`));
    const told = make("output", { for: weight.id });
    const bars = make("span", { class: "tryit-bars", role: "img" }, ...data.classes.map(() => make("i")));
    const row = make("li", { class: "tryit-view" });
    row.append(check, tile(0, view), make("span", { class: "tryit-name" }, name, make("span", { class: "tryit-named" })));
    row.append(bars, make("span", { class: "tryit-weight" }, label, weight, told));
    return row;
  }

  function presets() {
    const sets = { "The original alone": 1, "With its mirror image": 2, "All views": data.views.length };
    for (const [label, count] of Object.entries(sets)) {
      const button = make("button", { type: "button" }, label);
      button.addEventListener("click", () => {
        state.on = data.views.map((_, view) => view < count);
        state.weights = data.views.map(() => 1);
        update();
      });
      byId("presets").append(button);
    }
  }

  function averageRow(name) {
    return make("li", {}, make("span", {}, name), make("i"), make("b"));
  }

  function temperature() {
    byId("temperature").addEventListener("input", (event) => {
      state.temperature = 2 ** Number(event.target.value);
      update();
    });
  }

  // ------------------------------------------------------------ what changes

  function showViews(probs) {
    const row = data.shown.indexOf(state.picture);
    const label = data.labels[state.picture];
    [...byId("views").children].forEach((item, view) => {
      const start = view * PER_VIEW + state.picture * K;
      const best = tta.highest(probs, start, K);
      item.classList.toggle("tryit-off", !(state.on[view] && state.weights[view] > 0));
      item.querySelector("[type=checkbox]").checked = state.on[view];
      item.querySelector("[type=range]").value = state.weights[view];
      item.querySelector("output").textContent = state.weights[view].toFixed(2);
      item.querySelector(".tryit-tile").style.setProperty("--row", row);
      const sign = best === label ? MARKS.right : MARKS.wrong;
      item.querySelector(".tryit-named").textContent = `${sign} ${data.classes[best]}, ${percent(probs[start + best])}`;
      const bars = item.querySelector(".tryit-bars");
      const all = data.classes.map((name, c) => `${name} ${percent(probs[start + c])}`);
      bars.setAttribute("aria-label", all.join(", "));
      [...bars.children].forEach((bar, c) => drawBar(bar, probs[start + c], c === label, all[c]));
    });
  }

  function drawBar(bar, share, isRight, title) {
    bar.style.setProperty("--share", share);
    bar.classList.toggle("tryit-right", isRight);
    bar.title = title;
  }

  function showPictures(was, is) {
    [...byId("pictures").querySelectorAll("label")].forEach((item, row) => {
      const image = data.shown[row];
      const what = outcome(was[image], is[image]);
      item.dataset.outcome = what;
      item.querySelector("input").checked = image === state.picture;
      item.querySelector(".tryit-mark").textContent = MARKS[what];
      item.querySelector(".tryit-hidden").textContent = `${row + 1}: ${data.classes[data.labels[image]]}, ${what}`;
    });
  }

  function showAverage(probs, average, was, is) {
    const start = state.picture * K;
    const label = data.labels[state.picture];
    const names = [tta.highest(probs, start, K), tta.highest(average, start, K)].map((c) => data.classes[c]);
    const what = { right: "right, as before", wrong: "wrong, as before", fixed: "fixed", broken: "broken" };
    byId("told").replaceChildren(
      `The picture shows: ${data.classes[label]}. The original alone says ${names[0]}, the average ${names[1]}: `,
      make("strong", {}, what[outcome(was[state.picture], is[state.picture])]), ".",
    );
    [...byId("average").children].forEach((item, c) => {
      drawBar(item.querySelector("i"), average[start + c], c === label, "");
      item.querySelector("b").textContent = percent(average[start + c]);
    });
  }

  function showCounts(found) {
    const passes = state.on.filter((on, view) => on && state.weights[view] > 0).length;
    const told = `${points(found.gain)} points [${points(found.low)}, ${points(found.high)}]`;
    byId("counted").replaceChildren(
      make("p", {}, make("strong", {}, tta.verdict(found.low, found.high)), `: ${told}`),
      make("p", {}, `Of ${found.n} pictures, ${percent(found.before, 1)} are right without TTA and ${percent(found.after, 1)} with it; ${found.fixed} fixed, ${found.broken} broken. Passes: ${passes}.`),
    );
    byId("bar").textContent = `${points(found.gain)} points; ${found.fixed} fixed, ${found.broken} broken`;
    const place = (share) => `${Math.min(100, Math.max(0, 50 + 500 * share))}%`;
    for (const name of ["gain", "low", "high"]) byId("interval").style.setProperty(`--${name}`, place(found[name]));
  }

  function update() {
    byId("temperature-told").textContent =
      state.temperature.toFixed(2) + (state.policy === "vote" ? " (a vote stays the same)" : "");
    const probs = probabilities();
    const weights = state.weights.map((weight, view) => (state.on[view] ? weight : 0));
    const someView = weights.some((weight) => weight > 0);
    document.getElementById("tryit").classList.toggle("tryit-empty", !someView);
    if (!someView) {
      showViews(probs);
      byId("told").textContent = "No view takes part: switch one on, and give it some weight.";
      byId("counted").replaceChildren();
      byId("bar").textContent = "No view takes part.";
      return;
    }
    const average = tta.averaged(probs, weights, state.policy, state.temperature, K);
    const was = tta.right(probs, data.labels, K);
    const is = tta.right(average, data.labels, K);
    if (state.picture < 0) state.picture = data.shown.find((k) => !was[k] && is[k]) ?? data.shown[0];
    showViews(probs);
    showPictures(was, is);
    showAverage(probs, average, was, is);
    showCounts(tta.counted(was, is));
  }

  const whole = document.getElementById("tryit");
  whole.style.setProperty("--sheet", `url(${data.sheet})`);
  whole.style.setProperty("--columns", data.views.length);
  choices("networks", Object.fromEntries(data.networks.map((name) => [name, name])), "network");
  choices("policies", POLICIES, "policy");
  temperature();
  pictures();
  presets();
  byId("views").append(...data.views.map((_, view) => viewRow(view)));
  byId("average").append(...data.classes.map(averageRow));
  byId("about").textContent =
    `${data.provenance} The first ${data.agreeing} pictures on which all views of the settled network agree, and ` +
    `the first ${data.shown.length - data.agreeing} on which they do not, can be picked; all ${data.labels.length} are counted.`;
  byId("interval").querySelector("span").textContent = "0";
  whole.hidden = false;
  update();
})();
