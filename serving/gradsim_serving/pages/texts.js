// Texts from lines, CSV, TSV and JSON lines.

const TEXT_COLUMNS = ["text", "tweet", "sentence", "review", "content", "headline"];
const LANGUAGE_COLUMNS = ["language", "lang"];

/** One text a line; lines without a visible character are passed over. */
export const linesOf = (typed) => typed.split(/\r\n|\r|\n/).filter((line) => /[^\s\p{Cf}]/u.test(line));

/** Read a file; return `[{ text, language }]`, where language is null unless the file names it. */
export async function textsOf(file) {
  const content = new TextDecoder().decode(await file.arrayBuffer());
  if (content.includes("\u0000")) throw new Error(`${file.name} is no text.`);
  if (/\.(jsonl|ndjson)$/i.test(file.name)) return linesOf(content).map(objectOf);
  if (/\.tsv$/i.test(file.name)) return ofTable(content.split(/\r?\n/).filter(Boolean).map((line) => line.split("\t")));
  if (/\.csv$/i.test(file.name)) return ofTable(rowsOf(content));
  return linesOf(content).map((text) => ({ text, language: null }));
}

function objectOf(line, index) {
  try {
    const { text, language = null } = JSON.parse(line);
    if (typeof text === "string") return { text: flat(text), language };
  } catch {
    // said below
  }
  throw new Error(`Line ${index + 1} is no JSON object with a text.`);
}

const flat = (text) => text.replace(/\s+/g, " ").trim();

function ofTable(rows) {
  const header = (rows[0] ?? []).map((name) => name.trim().toLowerCase());
  const named = TEXT_COLUMNS.map((name) => header.indexOf(name)).find((at) => at >= 0);
  const language = LANGUAGE_COLUMNS.map((name) => header.indexOf(name)).find((at) => at >= 0);
  const body = named === undefined ? rows : rows.slice(1);
  const column = named ?? longest(rows);
  return body
    .map((row) => ({ text: flat(row[column] ?? ""), language: (named !== undefined && row[language]?.trim()) || null }))
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
