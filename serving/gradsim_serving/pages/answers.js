// One answer on the screen: the text, labels as bars or spans in the text, and the route.

import { h, percent } from "./service.js";
import { languagesOf, routeInWords } from "./route.js";

/**
 * Return what one prediction says of one text, or of the list of a pair's two.
 * `context` holds the bundle's labels, the names of languages and the endpoint's groups.
 */
export function answerOf(text, prediction, context) {
  const body = prediction.entities
    ? [spanned(text, prediction.entities, context, "type")]
    : prediction.words
      ? [spanned(text, prediction.words, context, "tag")]
      : [...[text].flat().map((one) => textOf(one)), prediction.scores ? bars(prediction, context.labels) : raw(rest(prediction))];
  const { route } = prediction;
  const language = route.language === null ? "Unknown language" : languagesOf(route, context.names);
  const badge = h("span", { class: "badge" }, language, route.language !== null && route.confidence !== null && h("small", {}, ` ${percent(route.confidence)}`));
  return h(
    "article",
    { class: "answer" },
    ...body,
    h("div", { class: "route" }, badge, h("p", {}, routeInWords(route, context.names, context.groups), prediction.truncated && " Only the beginning of it was read.")),
    asJson(prediction),
  );
}

function asJson(prediction) {
  const details = h("details", {}, h("summary", {}, "As JSON"));
  details.addEventListener("toggle", () => details.childElementCount === 1 && details.append(raw(prediction)));
  return details;
}

const textOf = (...parts) => h("p", { class: "text", dir: "auto" }, ...parts);

const raw = (value) => h("pre", { class: "code", tabindex: "0" }, JSON.stringify(value, null, 1));

function rest(prediction) {
  const { route, truncated, ...own } = prediction;
  return own;
}

function bars(prediction, labels) {
  const chosen = prediction.labels ?? [prediction.label];
  const known = labels.filter((label) => label in prediction.scores);
  const ranked = [...known].sort((a, b) => chosen.includes(b) - chosen.includes(a) || prediction.scores[b] - prediction.scores[a]);
  const shown = known.length > 8 ? ranked.slice(0, Math.max(6, chosen.length)) : known;
  const list = h("ul", { class: "bars", "aria-label": `Prediction: ${chosen.join(", ") || "no label"}` }, ...shown.map((label) => bar(label, prediction, chosen)));
  return h("div", {}, list, chosen.length === 0 && h("p", { class: "quiet" }, "No label."));
}

function bar(label, prediction, chosen) {
  const fill = h("span", { class: "fill" });
  fill.style.width = `${100 * prediction.scores[label]}%`;
  return h(
    "li",
    { class: chosen.includes(label) ? "first" : "" },
    h("span", { class: "name", dir: "auto" }, label),
    h("span", { class: "track", "aria-hidden": "true" }, fill),
    h("span", { class: "value" }, percent(prediction.scores[label])),
  );
}

/** The text with marks where the spans are; offsets count code points, JavaScript's strings do not. */
function spanned(text, spans, context, kind) {
  const points = Array.from(text);
  const parts = [];
  let end = 0;
  for (const span of spans) {
    parts.push(points.slice(end, span.start).join(""), mark(points.slice(span.start, span.end).join(""), span, context, kind));
    end = span.end;
  }
  parts.push(points.slice(end).join(""));
  const none = kind === "type" && spans.length === 0 && h("p", { class: "quiet" }, "No names found.");
  return h("div", { class: "spans" }, h("p", { class: `text ${kind === "tag" ? "tagged" : ""}`, dir: "auto" }, ...parts), none);
}

function mark(said, span, context, kind) {
  const name = span[kind];
  const names = [...new Set(context.labels.map((label) => label.replace(/^[BI]-/, "")))].filter((label) => label !== "O");
  const title = `${name}, ${percent(span.score)}`;
  return h("mark", { class: `span hue${names.indexOf(name) % 8}`, title }, h("bdi", {}, said), h("span", { class: "kind", dir: "ltr" }, name));
}
