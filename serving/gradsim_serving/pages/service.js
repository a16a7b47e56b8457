// The service: requests relative to the page, the key, and errors as people would say them.

const STORE = "gradsim-key";

/** Where the service is, with the prefix that a proxy puts before it. */
export const home = new URL(".", document.baseURI).href;

export const key = () => sessionStorage.getItem(STORE) ?? "";

/** What went wrong, in words; `code` is the service's, or `unreachable`. */
export class Failure extends Error {
  constructor(code, message, index = null) {
    super(message);
    Object.assign(this, { code, index });
  }
}

/** Ask for JSON; return it with the milliseconds that the service and the way there took. */
export async function ask(path, body) {
  const begun = performance.now();
  const response = await send(path, body);
  const data = await response.json();
  const own = Number(/dur=([\d.]+)/.exec(response.headers.get("server-timing"))?.[1] ?? NaN);
  return { data, own, whole: performance.now() - begun };
}

/** Send a request with the key, if there is one; anything but 2xx is a Failure. */
export async function send(path, body, method = body === undefined ? "GET" : "POST") {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (key()) headers["X-Api-Key"] = key();
  let response;
  try {
    const url = new URL(path.replace(/^\//, ""), home);
    response = await fetch(url, { method, headers, body, cache: "no-store" });
  } catch {
    throw new Failure("unreachable", "The service does not answer. Is it still running, and are you online?");
  }
  if (response.ok) return response;
  const said = await response.json().catch(() => ({}));
  const error = said.error?.code ? said.error : { code: `status ${response.status}`, message: said.error ?? "" };
  throw new Failure(error.code, inWords(error, response), error.index ?? null);
}

function inWords({ code, message, index }, response) {
  const text = index === null || index === undefined ? "A text" : `Text ${index + 1}`;
  const wait = Number(response.headers.get("retry-after") ?? 1);
  const seconds = wait === 1 ? "a second" : `${wait} seconds`;
  const known = {
    unauthorized: key()
      ? "This key is not one of the service's. Look whether a character is missing."
      : "This service answers only with a key. Enter yours at the top of the page.",
    not_ready: "The models are still being loaded. Try again in a moment.",
    shutting_down: "The service is being stopped.",
    overloaded: `The service is busy. Try again in ${seconds}.`,
    timeout: "The answer took too long. Try fewer or shorter texts.",
    internal_error: "Something went wrong inside the service; its log says where.",
    body_too_large: "That is too much text for one request. Try fewer or shorter texts.",
    unsupported_language: `${text} is not surely in one of the languages here, and you asked to refuse such texts.`,
    empty_text: `${text} has nothing to read in it.`,
    invalid_text: `${text} holds a character that is no Unicode: half of an emoji, perhaps.`,
  };
  return known[code] ?? sentence(message || `The service answered with ${code}.`);
}

function sentence(message) {
  const whole = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}

/** Make an element: `h("p", { class: "lead" }, "text", child)`; `on...` are listeners. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const percent = (share) => (share >= 0.995 && share < 1 ? "over 99 %" : `${Math.round(100 * share)} %`);

export const listed = (words) => new Intl.ListFormat("en", { type: "conjunction" }).format(words);

export const byId = (id) => document.getElementById(id);

/** Read what the service holds: bundles, languages by code, groups by endpoint. */
export async function readService() {
  const [index, languages, groups] = await Promise.all(["", "languages", "groups"].map((path) => ask(path)));
  return { ...index.data, languages: languages.data.languages, groups: groups.data.groups, built: groups.data.bundles };
}

/** Let the key field keep what is typed, for this tab only, and call `changed`; show it once a key is asked for. */
export function keyField(changed) {
  const field = byId("key");
  const form = byId("key-form");
  field.value = key();
  form.hidden = !key();
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const typed = field.value.trim();
    if (/^[!-~]*$/.test(typed)) sessionStorage.setItem(STORE, typed);
    if (!typed) sessionStorage.removeItem(STORE);
    changed();
  });
}

/** Show an error where the page says what happens; a missing key opens its field. */
export function showFailure(error, status = byId("status")) {
  if (!(error instanceof Failure)) console.error(error);
  status.className = "status wrong";
  status.textContent = error instanceof Failure ? error.message : "This page has a fault; the browser's console says more.";
  if (error.code === "unauthorized") {
    byId("key-form").hidden = false;
    byId("key").focus();
  }
}
