// The calls that ask for what is on the screen, from a shell and from Python.

import { home, key } from "./service.js";

const SHOWN = 20;

const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

const python = (value) => (Array.isArray(value) ? `[${value.map(python).join(", ")}]` : value === null ? "None" : JSON.stringify(value));

/** Return the three calls, by name. `asked` holds endpoint, pairs, texts, language (one, a list or null), policy, tagging. */
export function callsOf({ endpoint, pairs, texts, language, policy, tagging }) {
  const [one, all] = pairs ? ["pair", "pairs"] : ["text", "texts"];
  const some = texts.slice(0, SHOWN);
  const spoken = Array.isArray(language) ? language.slice(0, SHOWN) : language;
  const more = texts.length > SHOWN ? `# the first ${SHOWN} of ${texts.length} ${all}\n` : "";
  const url = home.replace(/\/$/, "");
  const name = endpoint.slice(1);
  const body = { [all]: some, language: spoken, ...(policy ? { policy } : {}) };
  const header = key() ? ` \\\n  -H "Authorization: Bearer $GRADSIM_KEY"` : "";
  const imports = key() ? "import os\n\n" : "";
  const given = [
    all,
    ...(spoken === null ? [] : [`language=${python(spoken)}`]),
    ...(policy ? [`policy=${python(policy)}`] : []),
    `endpoint=${python(name)}`,
  ];
  const listing = `${all} = [\n${some.map((text) => `    ${python(text)},\n`).join("")}]\n`;
  const token = (word) => (key() ? `, ${word}=os.environ["GRADSIM_KEY"]` : "");
  return {
    curl: `${more}curl -s ${url}${endpoint} -H 'Content-Type: application/json'${header} \\\n  -d ${quoted(JSON.stringify(body))}\n`,
    Python: `${more}${imports}from gradsim_client import Client\n\n${listing}with Client(${python(url)}${token("api_key")}) as client:\n    for answer in client.answer(${given.join(", ")}):\n        print(answer)\n`,
    "Hugging Face": `${more}${imports}from huggingface_hub import InferenceClient\n\nclient = InferenceClient(${python(`${url}/models/${name}`)}${token("token")})\n${listing}for ${one} in ${all}:  # the language is identified\n    print(client.${tagging ? "token" : "text"}_classification(${pairs ? `{"text": pair[0], "text_pair": pair[1]}` : "text"}))\n`,
  };
}
