// The playground: ask about texts, show the answers, and the calls that ask the same.

import { answerOf } from "./answers.js";
import { callsOf } from "./calls.js";
import { Failure, ask, byId, h, keyField, listed, readService, showFailure } from "./service.js";
import { linesOf, pairOf, textsOf } from "./texts.js";

const MOST_TEXTS = 2000;
const MOST_CHARACTERS = 100_000; // of a request

let service;
let bundle;
let spoken = new Map(); // texts of a file -> the language that it names
let running = 0;

const say = (words, kind = "") => Object.assign(byId("status"), { className: `status ${kind}`, textContent: words });
const isPair = () => bundle.task === "pair_classification";
const typedAs = (example) => [example].flat().join(" | ");
const ofBundle = (list) => list.filter((one) => one.endpoint === bundle.endpoint);

async function load() {
  try {
    service = await readService();
    const asking = service.bundles.filter((one) => one.task === "question_answering");
    service.bundles = service.bundles.filter((one) => !asking.includes(one));
    if (service.bundles.length === 0) {
      say(`This service answers questions about a context at ${asking.map((one) => one.endpoint).join(", ")}; this page asks about texts and pairs. The API page shows the form.`);
      byId("ask").hidden = true;
      return;
    }
    tasks();
    choose(service.bundles[0]);
    say("");
  } catch (error) {
    showFailure(error);
  }
}

function tasks() {
  const set = byId("tasks");
  set.replaceChildren(set.firstElementChild);
  set.hidden = service.bundles.length < 2;
  service.bundles.forEach((one, at) => {
    const radio = h("input", { type: "radio", name: "task", value: one.endpoint, checked: at === 0, onchange: () => choose(one) });
    set.append(h("label", {}, radio, h("span", {}, one.endpoint.slice(1))));
  });
}

function choose(chosen) {
  bundle = chosen;
  const languages = ofBundle(service.languages).sort((a, b) => a.name.localeCompare(b.name));
  const groups = ofBundle(service.groups);
  const several = groups.length === 1 ? "one model" : `${groups.length} groups`;
  const each = isPair() ? "Each pair goes to the group that serves its language best; one of two languages to those of both." : "Each text goes to the group that serves its language best.";
  byId("lead").textContent = `${bundle.bundle} answers in ${languages.length} languages with ${several}. ${each}`;
  byId("texts-label").textContent = isPair() ? "Pairs of texts, one a line, with a tab or | between the two" : "Texts, one a line";
  byId("language").replaceChildren(h("option", { value: "" }, "identify it"), ...languages.map(({ code, name }) => h("option", { value: code }, name)));
  const names = new Map(languages.map(({ code, name }) => [code, name]));
  byId("examples").replaceChildren(
    ...Object.entries(bundle.examples).map(([code, text]) => h("button", { type: "button", class: "chip", onclick: () => example(typedAs(text)) }, names.get(code))),
  );
  clear();
}

function clear() {
  running += 1; // what is under way is no longer wanted
  byId("answers").replaceChildren();
  byId("calls").hidden = true;
  say("");
}

/** Put an example in place of others, or under what somebody typed; and ask. */
function example(text) {
  const examples = new Set(service.bundles.flatMap((one) => Object.values(one.examples).map(typedAs)));
  const typed = linesOf(byId("texts").value).filter((line) => !examples.has(line));
  byId("texts").value = [...typed, text].join("\n");
  return answer();
}

/** Return what is asked of lines: texts, or where pairs are answered, lists of two. */
function request(lines) {
  const codes = new Set(ofBundle(service.languages).flatMap(({ code, aliases }) => [code, ...aliases]));
  const named = lines.map((line) => (codes.has(spoken.get(line)) ? spoken.get(line) : null));
  const chosen = byId("language").value || null;
  const each = !chosen && named.some(Boolean);
  const policy = byId("policy").value || null;
  const texts = isPair() ? lines.map(pairOf) : lines;
  return { endpoint: bundle.endpoint, pairs: isPair(), texts, language: each ? named : chosen, policy, tagging: bundle.task === "token_classification" };
}

/** Split texts into requests that the service takes. */
function* parts({ pairs, texts, language, policy }) {
  const length = (text) => [text].flat().join("").length;
  let begin = 0;
  while (begin < texts.length) {
    let end = begin;
    let characters = 0;
    while (end < texts.length && end - begin < Math.min(64, service.max_texts) && (end === begin || characters + length(texts[end]) <= MOST_CHARACTERS)) {
      characters += length(texts[end]);
      end += 1;
    }
    const some = Array.isArray(language) ? language.slice(begin, end) : language;
    const asked = texts.slice(begin, end);
    yield { begin, asked, body: { [pairs ? "pairs" : "texts"]: asked, language: some, ...(policy ? { policy } : {}) } };
    begin = end;
  }
}

async function answer() {
  if (!service) return load();
  const all = linesOf(byId("texts").value);
  clear();
  if (all.length === 0) {
    say("Type a text first, or click an example.", "wrong");
    return byId("texts").focus();
  }
  const mine = running;
  const asked = request(all.slice(0, MOST_TEXTS));
  const alone = asked.texts.indexOf(null);
  if (alone >= 0) return say(`Line ${alone + 1} is no pair: two texts with a tab or " | " between them.`, "wrong");
  const context = { labels: bundle.labels, names: new Map(service.languages.map(({ code, name }) => [code, name])), groups: ofBundle(service.groups) };
  const took = { own: 0, whole: 0 };
  say("Asking …");
  showCalls(asked);
  for (const { begin, asked: part, body } of parts(asked)) {
    try {
      const { data, own, whole } = await ask(bundle.endpoint, JSON.stringify(body));
      if (mine !== running) return;
      took.own += own;
      took.whole += whole;
      byId("answers").append(...data.predictions.map((one, at) => answerOf(part[at], one, context)));
      const done = begin + part.length;
      if (done < asked.texts.length) say(`${done} of ${asked.texts.length} texts answered …`);
    } catch (error) {
      if (mine !== running) return;
      if (error instanceof Failure && error.index !== null) error.message = error.message.replace(/^Text \d+/i, `${asked.pairs ? "Pair" : "Text"} ${begin + error.index + 1}`);
      return showFailure(error);
    }
  }
  say(summary(asked.texts.length, all.length, took));
}

function summary(answered, all, { own, whole }) {
  const one = isPair() ? "pair" : "text";
  const texts = answered === 1 ? `One ${one}` : `${answered} ${one}s`;
  const inside = Number.isNaN(own) ? "" : `, ${milliseconds(own)} of them in the service`;
  const left = all > answered ? ` The other ${all - answered} were left out: for long files there is gradsim-serve predict.` : "";
  return `${texts} answered in ${milliseconds(whole)}${inside}.${left}`;
}

const milliseconds = (time) => (time < 10 ? `${time.toFixed(1)} ms` : `${Math.round(time)} ms`);

function showCalls(asked) {
  const calls = Object.entries(callsOf(asked));
  const before = [...byId("tabs").children].findIndex((tab) => tab.ariaSelected === "true");
  const tabs = calls.map(([name, code], at) =>
    h("button", { role: "tab", type: "button", id: `tab-${at}`, "aria-controls": "panel", onclick: () => select(at), onkeydown: (event) => move(event, at) }, name),
  );
  const select = (chosen) => {
    tabs.forEach((tab, at) => {
      tab.ariaSelected = String(at === chosen);
      tab.tabIndex = at === chosen ? 0 : -1;
    });
    byId("panel").setAttribute("aria-labelledby", `tab-${chosen}`);
    byId("call").textContent = calls[chosen][1];
    byId("copied").textContent = "";
  };
  const move = (event, at) => {
    const step = { ArrowRight: 1, ArrowLeft: tabs.length - 1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const next = (at + step) % tabs.length;
    select(next);
    tabs[next].focus();
  };
  byId("tabs").replaceChildren(...tabs);
  select(Math.max(0, before));
  byId("calls").hidden = false;
}

async function copy() {
  try {
    await navigator.clipboard.writeText(byId("call").textContent);
    byId("copied").textContent = "Copied.";
  } catch {
    getSelection().selectAllChildren(byId("call")); // over plain HTTP from elsewhere, browsers have no clipboard
    byId("copied").textContent = "Selected: copy it with Ctrl C.";
  }
}

async function read(file) {
  clear();
  try {
    const found = await textsOf(file, isPair());
    if (found.length === 0) throw new Error(`${file.name} holds no text.`);
    spoken = new Map(found.filter(({ language }) => language).map(({ text, language }) => [text, language]));
    byId("texts").value = found.map(({ text }) => text).join("\n");
    const named = spoken.size ? `, languages as ${listed([file.name])} names them` : "";
    byId("from").textContent = `${found.length} texts from ${file.name}${named}.`;
    await answer();
  } catch (error) {
    showFailure(new Failure("file", error.message));
  }
}

byId("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  answer();
});
byId("texts").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) answer();
});
byId("file").addEventListener("change", (event) => event.target.files[0] && read(event.target.files[0]));
byId("copy").addEventListener("click", copy);
for (const type of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(type, (event) => {
    event.preventDefault();
    byId("drop").classList.toggle("over", type === "dragover");
    const file = type === "drop" && event.dataTransfer.files[0];
    if (file) read(file);
  });
}
keyField(load);
load();
