// Runs a plan with one client: PROGRAM PLAN > results, one JSON object a line.
import fs from "node:fs";

const parsed = (value) => (typeof value === "string" ? JSON.parse(value) : value);

/** What an answer says, in no vendor's words. `tools` have id, name and arguments; those and `data` parsed or not. */
export function meaning({ text, thought, tools = [], finish, usage = {}, data }) {
  const ids = tools.map((tool) => tool.id);
  return {
    text: text ?? "",
    thought: thought ?? "",
    tools: tools.map((tool) => ({ name: tool.name, arguments: parsed(tool.arguments) })),
    ids_apart: ids.every(Boolean) && new Set(ids).size === ids.length,
    finish: finish ?? null,
    usage: { input: usage.input ?? null, output: usage.output ?? null },
    data: parsed(data) ?? null,
  };
}

/**
 * `call(item)` makes the call that the item's case describes with the client as it is and returns `{result, meant}`:
 * what the client returned, and its meaning. `failure(error)` reads the client's own errors.
 */
export async function run(call, failure) {
  // some clients warn on standard output
  console.warn = console.info = console.error;
  globalThis.AI_SDK_LOG_WARNINGS = (warnings) => console.error(JSON.stringify(warnings));
  const plan = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
  for (const item of plan) {
    const control = (method) => fetch(`${item.control}/_fake/requests`, { method });
    await control("DELETE");
    let result, meant;
    try {
      ({ result, meant } = await call(item));
    } catch (error) {
      result = { error: error.constructor.name, ...failure(error) };
      meant = { error: result.error, status: result.status ?? null };
    }
    const log = await (await control("GET")).json();
    const requests = log.filter((entry) => entry.event === "arrival").map(({ path, whole }) => ({ path, ...whole }));
    console.log(JSON.stringify({ run: item.run, case: item.case.name, result, meaning: meant, requests }));
  }
  // some clients keep timers
  process.exit(0);
}
