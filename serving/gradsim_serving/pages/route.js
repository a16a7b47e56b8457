// The route of a text in a sentence.

import { listed, percent } from "./service.js";

/** `g2` is `group 2` to people; any other name stays. */
export const groupName = (id) => (/^g\d+$/.test(id) ? `group ${id.slice(1)}` : `group ${id}`);

/** The language of a text, or those of a pair, by name. */
export const languagesOf = ({ language, second_language: second }, names) => listed([language, second].filter(Boolean).map((code) => names.get(code) ?? code));

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/**
 * Say what a text was taken for, which group answered, what else it learned from, and why.
 * `names` is a map from codes to names, `groups` those of the endpoint.
 */
export function routeInWords(route, names, groups) {
  const name = (code) => names.get(code) ?? code;
  const sure = route.confidence === null ? "" : ` (${percent(route.confidence)})`;
  const group = groups.find((one) => one.id === route.group);
  const who = answerer(route, group, groups, name);
  const candidates = route.candidates.map((one) => `${name(one.language)} (${percent(one.confidence)})`);
  const mixture = listed(route.mixture.map(({ group: id, weight }) => `${groupName(id)} (${percent(weight)})`));
  const together = route.mixture.length > 1 ? `${mixture} answered together` : who;
  const beginnings = {
    given: () => `You said ${languagesOf(route, names)}; ${together}.`,
    two_languages: () => `Taken for ${languagesOf(route, names)}; ${together}.`,
    identified: () => `Taken for ${name(route.language)}${sure}, ${who}.`,
    same_group: () => `It may be ${orList(candidates)}; ${groupName(route.group)} serves them all, so ${who}.`,
    soft: () => `It may be ${orList(candidates)}, so ${together}.`,
    too_short: () => `Too short to be sure${candidates.length ? `: perhaps ${candidates[0]}` : ""}; ${who}.`,
    unknown: () => `It looks like none of the languages served here; ${who}.`,
    fallback: () => `The language is not sure${candidates.length ? `: ${orList(candidates)}` : ""}; ${who}.`,
  };
  const told = (beginnings[route.reason] ?? (() => `${capital(who)}.`))();
  return route.code_mixed ? `${told} Parts of it look like different languages.` : told;
}

const orList = (words) => new Intl.ListFormat("en", { type: "disjunction" }).format(words);

function answerer(route, group, groups, name) {
  if (group === undefined) return `answered by ${groupName(route.group)}`;
  if (groups.length === 1) return "answered by the one model for all languages";
  const own = route.language;
  const others = group.members.filter((code) => code !== own).map(name);
  const fallback = ["unknown", "fallback"].includes(route.reason) && group.fallback ? ", which answers in such cases" : "";
  if (!group.members.includes(own)) return `answered by ${groupName(group.id)}${fallback || ","}${fallback ? " and" : " which"} learned from ${listed(others)}`;
  if (others.length === 0) return `answered by ${groupName(group.id)}, which learned from ${name(own)} alone`;
  const why = route.collective_similarity === null || fallback ? "" : `, because that group suits ${name(own)} best`;
  return `answered by ${groupName(group.id)}, which also learned from ${listed(others)}${why}`;
}
