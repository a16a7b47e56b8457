// Texts, or pairs of texts, from lines, CSV, TSV and JSON lines.

const TEXT_COLUMNS = ["text", "tweet", "sentence", "review", "content", "headline"];
const PAIR_COLUMNS = [["text_a", "text_b"], ["premise", "hypothesis"], ["sentence1", "sentence2"], ["question1", "question2"]];
const LANGUAGE_COLUMNS = ["language", "lang"];

/** One text a line; lines without a visible character are passed over. */
export const linesOf = (typed) => typed.split(/\r\n|\r|\n/).filter((line) => /[^\s\p{Cf}]/u.test(line));

/** The two texts of a line, which a tab or " | " separates; null: there are not two. */
export function pairOf(line) {
  const texts = line.split(line.includes("\t") ? "\t" : " | ").map((text) => text.trim());
  return texts.length === 2 && texts.every((text) => linesOf(text).length > 0) ? texts : null;
}

/** Read a file; return `[{ text, language }]`: a line for each text, or pair; language is null unless the file names it. */
export async function textsOf(file, pairs) {
  const content = new TextDecoder().decode(await file.arrayBuffer());
  if (content.includes("\u0000")) throw new Error(`${file.name} is no text.`);
  if (/\.(jsonl|ndjson)$/i.test(file.name)) return linesOf(content).map((line, index) => objectOf(line, index, pairs));
  if (/\.tsv$/i.test(file.name)) return ofTable(content.split(/\r?\n/).filter(Boolean).map((line) => line.split("\t")), pairs);
  if (/\.csv$/i.test(file.name)) return ofTable(rowsOf(content), pairs);
  return linesOf(content).map((text) => ({ text, language: null }));
}

function objectOf(line, index, pairs) {
  try {
    const { language = null, ...fields } = JSON.parse(line);
    const names = pairs ? PAIR_COLUMNS.find(([first]) => first in fields) : ["text"];
    const texts = names.map((name) => fields[name]);
    if (texts.every((text) => typeof text === "string")) return { text: texts.map(flat).join("\t"), language };
  } catch {
    // said below
  }
  throw new Error(`Line ${index + 1} is no JSON object with ${pairs ? "two texts, such as text_a and text_b" : "a text"}.`);
}

const flat = (text) => text.replace(/\s+/g, " ").trim();

function ofTable(rows, pairs) {
  const header = (rows[0] ?? []).map((name) => name.trim().toLowerCase());
  const known = pairs ? PAIR_COLUMNS : TEXT_COLUMNS.map((name) => [name]);
  const named = known.map((names) => names.map((name) => header.indexOf(name))).find((columns) => !columns.includes(-1));
  const language = LANGUAGE_COLUMNS.map((name) => header.indexOf(name)).find((at) => at >= 0);
  const body = named === undefined ? rows : rows.slice(1);
  const columns = named ?? (pairs ? [0, 1] : [longest(rows)]);
  return body
    .map((row) => ({ text: columns.map((column) => flat(row[column] ?? "")).join("\t"), language: (named !== undefined && row[language]?.trim()) || null }))
    .filter(({ text }) => linesOf(text).length > 0);
}

/** Without a known header the texts are the column with most characters. */
function longest(rows) {
  const widths = [];
  for (const row of rows.slice(0, 50)) row.forEach((cell, at) => (widths[at] = (widths[at] ?? 0) + cell.length));
  return widths.indexOf(Math.max(...widths));
}

/** Rows of a CSV (RFC 4180): quoted cells may hold commas, quotes and line ends; a semicolon separates where there are more. */
export function rowsOf(content) {
  const first = content.split("\n", 1)[0];
  const separator = first.split(";").length > first.split(",").length ? ";" : ",";
  const rows = [[]];
  let cell = "";
  let quoted = false;
  const end = () => {
    rows.at(-1).push(cell);
    cell = "";
  };
  for (let at = content.charCodeAt(0) === 0xfeff ? 1 : 0; at < content.length; at += 1) {
    const sign = content[at];
    if (quoted && sign === '"' && content[at + 1] === '"') cell += content[(at += 1)];
    else if (sign === '"' && (quoted || cell === "")) quoted = !quoted;
    else if (!quoted && sign === separator) end();
    else if (!quoted && sign === "\n") {
      end();
      rows.push([]);
    } else if (quoted || sign !== "\r") cell += sign;
  }
  end();
  return rows.filter((row) => row.some((one) => one.trim()));
}
