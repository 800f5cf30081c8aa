/* The arithmetic of "Try it": what tta_helpers.policies and tta_helpers.metrics do, on flat arrays.
   tests/site/ holds it to them. Probabilities lie in one Float64Array (views, images, classes). */
"use strict";

globalThis.tryItArithmetic = (() => {
  const SMALLEST = 2 ** -126; // the smallest normal float32
  const NORMAL_975 = 1.959963984540054; // the normal distribution's 97.5 % point

  /* Base64 of 16-bit negative log-probabilities, in steps of 1/step nat, as probabilities. */
  function decoded(text, step, classes) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const words = new DataView(bytes.buffer);
    const probs = new Float64Array(bytes.length / 2);
    for (let k = 0; k < probs.length; k++) probs[k] = Math.exp(-words.getUint16(2 * k, true) / step);
    normalise(probs, classes);
    return probs;
  }

  /* Divide each row by its sum, in place. */
  function normalise(values, classes) {
    for (let row = 0; row < values.length; row += classes) {
      let sum = 0;
      for (let c = 0; c < classes; c++) sum += values[row + c];
      for (let c = 0; c < classes; c++) values[row + c] /= sum;
    }
  }

  /* Logarithms to probabilities, row by row and without overflow, in place. */
  function softmax(logs, classes) {
    for (let row = 0; row < logs.length; row += classes) {
      let top = -Infinity;
      for (let c = 0; c < classes; c++) top = Math.max(top, logs[row + c]);
      for (let c = 0; c < classes; c++) logs[row + c] = Math.exp(logs[row + c] - top);
    }
    normalise(logs, classes);
  }

  /* The logits divided by a temperature; below 1 sharpens. */
  function tempered(probs, temperature, classes) {
    const logs = probs.map((p) => Math.log(Math.max(p, SMALLEST)) / temperature);
    softmax(logs, classes);
    return logs;
  }

  /* The place of the highest value of a row; of equal ones the first. */
  function highest(values, row, classes) {
    let best = 0;
    for (let c = 1; c < classes; c++) if (values[row + c] > values[row + best]) best = c;
    return best;
  }

  /* One row a picture from all views, each with its weight; a view of weight 0 takes no part. */
  function averaged(probs, weights, policy, temperature, classes) {
    const size = probs.length / weights.length; // numbers of one view
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const average = new Float64Array(size);
    weights.forEach((weight, view) => {
      if (weight <= 0) return;
      const part = tempered(probs.subarray(view * size, (view + 1) * size), temperature, classes);
      const share = weight / total;
      if (policy === "vote") {
        for (let row = 0; row < size; row += classes) average[row + highest(part, row, classes)] += weight;
      } else if (policy === "geometric_mean") {
        for (let k = 0; k < size; k++) average[k] += share * Math.log(Math.max(part[k], SMALLEST));
      } else {
        for (let k = 0; k < size; k++) average[k] += share * part[k];
      }
    });
    if (policy === "geometric_mean") softmax(average, classes);
    if (policy === "vote") normalise(average, classes); // at the end, so that ties stay ties
    return average;
  }

  /* Whether each picture's highest value is at its label. */
  function right(scores, labels, classes) {
    return labels.map((label, k) => highest(scores, k * classes, classes) === label);
  }

  /* The two-sided p-value of the exact McNemar test. */
  function mcnemar(fixed, broken) {
    const n = fixed + broken;
    let log = -n * Math.LN2; // of the chance of none among n tosses
    let sum = 0;
    for (let k = 0; k <= Math.min(fixed, broken); k++) {
      sum += Math.exp(log);
      log += Math.log(n - k) - Math.log(k + 1);
    }
    return fixed === broken ? 1 : Math.min(1, 2 * sum);
  }

  /* Counts and the gain with its 95 % interval, Bonett and Price's, held to the exact test. */
  function counted(before, after) {
    const n = before.length;
    const fixed = before.filter((was, k) => !was && after[k]).length;
    const broken = before.filter((was, k) => was && !after[k]).length;
    const share = (flags) => flags.filter(Boolean).length / n;
    const change = (fixed - broken) / (n + 2);
    const changed = (fixed + broken + 2) / (n + 2);
    const half = NORMAL_975 * Math.sqrt((changed - change ** 2) / (n + 2));
    let [low, high] = [Math.max(change - half, -1), Math.min(change + half, 1)];
    const p_value = mcnemar(fixed, broken);
    if (p_value >= 0.05) [low, high] = [Math.min(low, 0), Math.max(high, 0)];
    const gain = (fixed - broken) / n;
    return { n, before: share(before), after: share(after), gain, low, high, fixed, broken, p_value };
  }

  /* What an interval allows one to say. */
  function verdict(low, high) {
    if (low > 0) return "helps";
    return high < 0 ? "hurts" : "no clear effect";
  }

  return { decoded, tempered, highest, averaged, right, counted, verdict };
})();
