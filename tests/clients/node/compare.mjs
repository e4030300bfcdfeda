// compare.mjs FOLDER KIND NAME=RESULTS …: each run of each client against its direct one, less what
// allowed-differences.json allows. Through the hub to the same format, what the upstream received and what the client
// returned are compared whole; to another format, what the client's answer means. Ends with `N passed, N failed`.
import fs from "node:fs";
import { differences, Report, request, rows, Rules } from "./differences.mjs";

const [folder, kind, ...given] = process.argv.slice(2);
const cases = new Map(JSON.parse(fs.readFileSync(`${folder}/cases.json`, "utf8")).map((item) => [item.name, item]));
const { clients } = JSON.parse(fs.readFileSync(`${folder}/clients.json`, "utf8"));
const rules = new Rules(`${folder}/allowed-differences.json`, kind);
const report = new Report();

/** Whether a case shows what it should: one that fails by itself would compare equal and show nothing. */
function* expected({ lacks = [] }, { fails, expect = {} }, meant) {
  if (fails) {
    if (!meant.error) yield { path: "answered", left: "an error", right: meant };
    return;
  }
  if (meant.error) yield { path: "failed", left: "an answer", right: meant };
  yield* differences({ input: 11, output: 7 }, meant.usage, "expected.usage");
  for (const [name, wanted] of Object.entries(expect)) if (!lacks.includes(name)) yield* differences(wanted, meant[name], `expected.${name}`);
}

/** What the upstream must have been told, in whatever format. */
function* told({ lacks = [], urlsafe }, item, requests, translated) {
  let all = requests.map((one) => one.body).join("\n");
  // Google's client writes base64 with - and _, which only Google reads
  if (urlsafe && !translated) all = all.replaceAll("-", "+").replaceAll("_", "/");
  const fields = ["prompt", "system", "max", "temperature", "stop", "image"].filter((field) => field in item && !lacks.includes(field) && !(item.effort && field === "max"));
  const texts = [...fields.map((field) => item[field]).flat(), ...(item.told ?? [])];
  for (const text of texts) if (!all.includes(String(text))) yield { path: `told.${text}`, left: "told", right: "not told" };
}

/** What a provider of another format needs to be told beside, and what vendors refuse though aimock takes it. */
function* fitting({ lacks = [] }, { told_to: texts = {} }, provider, requests) {
  for (const { body } of requests) {
    for (const text of texts[provider] ?? []) if (!lacks.includes("thought") && !body.includes(text)) yield { path: `told.${text}`, left: "told", right: "not told" };
    const [, budget] = /"(?:budget_tokens|thinkingBudget)":(\d+)/.exec(body) ?? [];
    const [, most] = /"(?:max_tokens|maxTokens|maxOutputTokens)":(\d+)/.exec(body) ?? [];
    if (budget && most && budget > most * 0.75) yield { path: "room", left: `a quarter of ${most} tokens for the answer`, right: `${budget} to think` };
    const { messages, thinking, additionalModelRequestFields: fields } = JSON.parse(body);
    const said = messages?.filter((message) => message.role === "assistant").at(-1)?.content ?? [];
    const tool = (block) => block.toolUse ?? block.type === "tool_use";
    const thought = (block) => block.reasoningContent ?? ["thinking", "redacted_thinking"].includes(block.type);
    if ((thinking ?? fields?.thinking)?.type === "enabled" && Array.isArray(said) && said.some(tool) && !thought(said[0])) {
      yield { path: "thinking", left: "off, or thoughts before the calls of tools", right: "on, without its thoughts: Claude refuses" };
    }
  }
}

for (const pair of given) {
  const [client, file] = pair.split("=");
  const found = rows(file);
  const plan = JSON.parse(fs.readFileSync(`${file}.plan`, "utf8"));
  const features = clients.find((one) => one.name === client);
  const direct = new Map(found.filter((row) => row.run === "direct").map((row) => [row.case, row]));
  for (const [at, planned] of plan.entries()) {
    const row = found[at];
    if (row?.run !== planned.run || row?.case !== planned.case.name) {
      report.add(`${client} ${planned.run} ${planned.case.name}`, [{ path: "ran", left: true, right: false }]);
      continue;
    }
    const [run, provider] = row.run.split(":");
    const [item, first] = [cases.get(row.case), direct.get(row.case)];
    const wrong = [];
    if (run === "direct") {
      wrong.push(...expected(features, item, row.meaning), ...told(features, item, row.requests));
    } else if (run === "same") {
      wrong.push(...differences(first.requests.map(request), row.requests.map(request), "requests"));
      wrong.push(...differences(first.result, row.result, "result"));
    } else {
      if (row.meaning.error && !item.fails) wrong.push({ path: "failed", left: "an answer", right: row.result });
      else wrong.push(...differences(first.meaning, row.meaning, "meaning"), ...told(features, item, row.requests, true), ...fitting(features, item, provider, row.requests));
    }
    const place = { client, run, provider: provider ?? "", cases: row.case };
    report.add(`${client} ${row.run} ${row.case}`, wrong.filter((difference) => !rules.allow(place, difference)), true);
  }
}
report.end(process.env.ALL ? rules.unneeded() : []);
