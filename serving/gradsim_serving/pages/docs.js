// The API as its OpenAPI document tells it, to be read and tried.

import { Failure, byId, h, home, keyField, send, showFailure } from "./service.js";

let schemas = {};

async function load() {
  try {
    const document = await (await send("openapi.json")).json();
    schemas = document.components?.schemas ?? {};
    const methods = Object.entries(document.paths).flatMap(([path, verbs]) => Object.entries(verbs).map(([verb, told]) => method(path, verb, told)));
    byId("paths").replaceChildren(h("p", { class: "quiet" }, document.info.description), ...methods);
    byId("status").textContent = "";
  } catch (error) {
    showFailure(error);
  }
}

function method(path, verb, told) {
  const inside = h("div", { class: "inside" });
  const details = h(
    "details",
    { class: "method", id: `${verb}${path.replaceAll("/", "-")}` },
    h("summary", {}, h("span", { class: "verb" }, verb.toUpperCase()), h("span", { class: "path" }, path), h("span", { class: "quiet" }, told.summary ?? "")),
    inside,
  );
  details.addEventListener("toggle", () => details.open && inside.childElementCount === 0 && inside.append(...parts(path, verb, told)));
  return details;
}

function parts(path, verb, told) {
  const body = told.requestBody?.content?.["application/json"];
  const headers = told.parameters ?? [];
  return [
    told.description && h("p", {}, told.description),
    told.security && h("p", { class: "quiet" }, "It needs a key."),
    headers.length > 0 && h("h2", {}, "Parameters"),
    headers.length > 0 && h("ul", { class: "fields" }, ...headers.map((one) => h("li", {}, h("code", {}, one.name), ` in ${one.in}: ${one.description ?? kind(one.schema)}`))),
    body && h("h2", {}, "Body"),
    body && fields(body.schema),
    h("h2", {}, "Answers"),
    h("ul", { class: "fields" }, ...Object.entries(told.responses).map(response)),
    h("h2", {}, "Try it"),
    ...attempt(path, verb, body),
  ].filter(Boolean);
}

function response([status, { description, content }]) {
  const schema = Number(status) < 400 && content?.["application/json"]?.schema;
  return h("li", {}, h("code", {}, status), ` ${description.replaceAll("`", "")}`, schema && fields(schema));
}

const named = (schema) => (schema?.$ref ? schemas[schema.$ref.split("/").at(-1)] : schema) ?? {};

/** A schema's kind in a word or two: `list of text`, `text or null`. */
function kind(schema) {
  if (!schema) return "anything";
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(" or ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.anyOf) return [...new Set(schema.anyOf.flatMap(({ anyOf, ...one }) => (anyOf ?? [one]).map(kind)))].join(" or ");
  if (schema.type === "array") return `list of ${schema.items?.anyOf ? `(${kind(schema.items)})` : kind(schema.items)}`;
  if (schema.type === "object" && schema.additionalProperties) return `object of ${kind(schema.additionalProperties)}`;
  return { string: "text", integer: "whole number", null: "null" }[schema.type] ?? schema.type ?? "anything";
}

/** The fields of an object, those of objects inside it below them; a form inside itself is only named. */
function fields(schema, seen = []) {
  const { properties = {}, required = [] } = named(schema);
  const rows = Object.entries(properties).map(([name, one]) => {
    const inner = [one, one.items, one.additionalProperties, ...(one.anyOf ?? [])].find((each) => each?.$ref && !seen.includes(each.$ref));
    const always = required.includes(name) ? "" : ", optional";
    return h("li", {}, h("code", {}, name), ` ${kind(one)}${always}${one.description ? `: ${one.description}` : ""}`, inner && fields(inner, [...seen, inner.$ref]));
  });
  return rows.length ? h("ul", { class: "fields" }, ...rows) : h("p", { class: "quiet" }, kind(schema));
}

function attempt(path, verb, body) {
  const example = Object.values(body?.examples ?? {})[0]?.value ?? (body && {});
  const area = body && h("textarea", { rows: "6", spellcheck: "false", "aria-label": `Body of ${path}` });
  if (area) area.value = JSON.stringify(example, null, 1);
  const answer = h("pre", { class: "code", tabindex: "0", "aria-label": `Answer of ${path}`, hidden: true });
  const ask = async () => {
    answer.hidden = false;
    try {
      const found = await send(path, area?.value, verb.toUpperCase());
      const text = await found.text();
      answer.textContent = found.headers.get("content-type")?.includes("json") ? JSON.stringify(JSON.parse(text), null, 1) : text;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      answer.textContent = `${error.code}: ${error.message}`;
      if (error.code === "unauthorized") showFailure(error);
    }
  };
  const where = h("p", { class: "quiet" }, `${verb.toUpperCase()} ${home.replace(/\/$/, "")}${path}`);
  return [where, area, h("p", {}, h("button", { type: "button", class: "small", onclick: ask }, "Send")), answer];
}

keyField(load);
load();
