// The explorer: what the bundle says of its languages, groups and scores.

import { byId, h, keyField, key, listed, readService, send, showFailure } from "./service.js";
import { heatmap } from "./heatmap.js";
import { groupName } from "./route.js";

async function load() {
  try {
    const service = await readService();
    byId("status").textContent = "";
    const set = byId("tasks");
    set.replaceChildren(set.firstElementChild);
    set.hidden = service.built.length < 2;
    service.built.forEach((built, at) => {
      const radio = h("input", { type: "radio", name: "task", checked: at === 0, onchange: () => show(service, built) });
      set.append(h("label", {}, radio, h("span", {}, built.endpoint.slice(1))));
    });
    show(service, service.built[0]);
  } catch (error) {
    showFailure(error);
  }
}

function show(service, built) {
  const here = (list) => list.filter((one) => one.endpoint === built.endpoint);
  const groups = here(service.groups);
  const languages = here(service.languages);
  const names = new Map(languages.map(({ code, name }) => [code, name]));
  const section = (title, ...parts) => h("section", {}, h("h2", {}, title), ...parts);
  byId("bundle").replaceChildren(
    h("p", {}, `${built.bundle}: ${languages.length} languages of ${built.data}, trained from ${built.model}. `, reportLink(built)),
    built.verdict.length > 0 && section("What came of it", h("ul", { class: "verdict" }, ...built.verdict.map((one) => h("li", {}, one)))),
    section("Who helps whom", ...similarity(built, groups, names)),
    section("The groups", h("p", { class: "quiet" }, trunk(built)), h("ul", { class: "cards" }, ...groups.map((group) => card(group, names, groups)))),
    section("What each language gets", ...scores(built, languages)),
  );
}

function reportLink({ report, bundle }) {
  if (!report) return "";
  const link = h("a", { href: report.slice(1), target: "_blank", rel: "noopener" }, "Read the report of its build");
  if (key()) {
    Object.assign(link, { download: `${bundle}.html`, target: "" }); // a link sends no key
    link.addEventListener("click", async (event) => {
      if (link.href.startsWith("blob:")) return;
      event.preventDefault();
      try {
        link.href = URL.createObjectURL(await (await send(report)).blob());
        link.click();
      } catch (error) {
        showFailure(error);
      }
    });
  }
  return link;
}

/** Mean over different languages. */
function mean(rows) {
  const others = rows.flatMap((row, at) => row.filter((_, column) => column !== at));
  return others.reduce((sum, value) => sum + value, 0) / Math.max(1, others.length);
}

const HELPS = { words: "a row's language is helped by the column's where it is above 0", centre: () => 0 };

/** By measure what a number says, where colours change sides (else at the mean), and what is shown of it and of the row's own. */
const MEANINGS = {
  gradient: HELPS,
  lookahead: HELPS,
  transfer: { words: "the score of a model of the column's language on the row's" },
  gains: { words: "what a row's language gains by sharing a group with the column's", centre: () => 0, shown: (value, own) => value - own },
};

function similarity({ similarity: found, reliability }, groups, names) {
  if (!found) return [h("p", { class: "quiet" }, "This bundle holds no similarities.")];
  const repeats = reliability === null ? "" : ` Between halves of the data it repeats with a reliability of ${reliability.toFixed(2)}.`;
  const { words = "the higher, the more a row's language is like the column's", centre = mean, shown = (value) => value } = MEANINGS[found.measure] ?? {};
  const rows = found.similarity.map((row, at) => row.map((value) => shown(value, row[at])));
  return [h("p", { class: "quiet" }, `Similarity by ${found.measure}: ${words}.${repeats}`), ...heatmap({ ...found, similarity: rows }, groups, names, centre(rows))];
}

function trunk({ trunk: shared }) {
  if (!shared) return "Filled names are served by the group; outlined ones only lend their texts.";
  const time = shared.latency_milliseconds ? `, ${shared.latency_milliseconds.toFixed(1)} ms a text` : "";
  return `The groups share a trunk that reads each text once (${shared.precision}, ${size(shared.size)}${time}). Filled names are served; outlined ones only lend their texts.`;
}

const size = (bytes) => (bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${Math.max(1, Math.round(bytes / 1e3))} kB`);

function card(group, names, groups) {
  const served = group.serves.map((code) => h("li", { class: "served" }, names.get(code) ?? code));
  const lending = group.members.filter((code) => !group.serves.includes(code));
  const sources = lending.map((code) => h("li", { class: "source" }, names.get(code) ?? code, h("small", {}, " source")));
  const models = [
    group.on_trunk && "on the trunk",
    group.ngrams && "with n-grams beside",
    group.ensemble > 1 && `${group.ensemble} models averaged`,
  ].filter(Boolean);
  const agreement = group.parity ? `, same label as trained for ${Number((100 * group.parity.label_agreement).toFixed(1))} % of texts` : "";
  return h(
    "li",
    { class: "card" },
    h("h3", {}, groupName(group.id).replace("group", "Group"), groups.length > 1 && group.fallback && h("small", {}, " · answers when unsure")),
    h("ul", { class: "members" }, ...served, ...sources),
    h("p", { class: "quiet" }, `${group.precision}, ${size(group.size)}, ${(group.latency_milliseconds ?? 0).toFixed(1)} ms a text${agreement}${models.length ? `; ${listed(models)}` : ""}.`),
  );
}

function scores({ metric }, languages) {
  const split = ["test", "dev"].find((name) => languages.some(({ scores: found }) => metric in (found[name] ?? {})));
  if (!split) return [h("p", { class: "quiet" }, "This bundle holds no scores.")];
  const rows = languages
    .filter(({ scores: found }) => metric in (found[split] ?? {}))
    .map((one) => ({ ...one, now: one.scores[split][metric], before: one.multilingual[split]?.[metric] }))
    .sort((a, b) => b.now - a.now);
  const all = rows.flatMap(({ now, before }) => [now, before ?? now]);
  const low = Math.max(0, Math.floor(10 * Math.min(...all) - 0.5) / 10);
  const high = Math.min(1, Math.ceil(10 * Math.max(...all) + 0.5) / 10);
  const at = (score) => `${(100 * (score - low)) / (high - low)}%`;
  const compared = rows.filter(({ before }) => before !== undefined);
  const mean = compared.length ? compared.reduce((sum, { now, before }) => sum + now - before, 0) / compared.length : null;
  const head = ["Language", "Texts", `${percentOf(low)} to ${percentOf(high)}`, "Service", "Gain"];
  return [
    h("p", { class: "quiet legend" }, h("span", {}, h("i", { class: "dot" }), "one model for all"), h("span", {}, h("i", { class: "dot now" }), "this service"), h("span", {}, `${metric.replaceAll("_", " ")} on ${split}${mean === null ? "" : `; mean gain ${points(mean)}`}`)),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Scores" }, h("table", { class: "scores" },
      h("thead", {}, h("tr", {}, ...head.map((name, column) => h("th", { scope: "col", class: ["", "number texts", "plot", "number", "number"][column] }, name)))),
      h("tbody", {}, ...rows.map((row) => scoreRow(row, at, split))))),
  ];
}

const percentOf = (score) => `${(100 * score).toFixed(0)} %`;
const points = (gain) => `${gain < 0 ? "−" : "+"}${Math.abs(100 * gain).toFixed(1)} points`;

function scoreRow({ name, now, before, texts, estimate }, at, split) {
  const rail = h("div", { class: "rail", "aria-hidden": "true" });
  if (before !== undefined) {
    const line = h("i", { class: "span-line" });
    line.style.left = at(Math.min(now, before));
    line.style.width = `calc(${at(Math.max(now, before))} - ${at(Math.min(now, before))})`;
    rail.append(line, place("", at(before)));
  }
  rail.append(place("now", at(now)));
  const gain = before === undefined ? "" : points(now - before).replace(" points", "");
  const range = estimate.length === 3 ? h("small", {}, ` (${(100 * estimate[1]).toFixed(1)} to ${(100 * estimate[2]).toFixed(1)})`) : "";
  return h("tr", {}, h("th", { scope: "row" }, name), h("td", { class: "number texts" }, String(texts[split] ?? "")), h("td", { class: "plot" }, rail),
    h("td", { class: "number" }, (100 * now).toFixed(1), range), h("td", { class: `number ${now < before ? "worse" : "better"}` }, gain));
}

function place(kind, left) {
  const dot = h("i", { class: kind });
  dot.style.left = left;
  return dot;
}

keyField(load);
load();
