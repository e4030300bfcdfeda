// Runs the cases with the official Node SDK: client.mjs PLAN > results, one JSON object a line.
import fs from "node:fs";
import OpenAI from "openai";

const plan = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));

const failure = (error) => ({
  error: error.constructor.name,
  status: error.status ?? null,
  code: error.code ?? null,
  type: error.type ?? null,
  param: error.param ?? null,
  message: error.message,
});

async function call(client, item) {
  const { extra_body: extra, ...args } = item.args;
  const body = { model: item.model, ...args, ...extra };
  if (item.call === "models") {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    return { ids };
  }
  if (item.call === "embeddings") return client.embeddings.create(body);
  if (item.call === "chat") return client.chat.completions.create(body);
  const chunks = [];
  try {
    for await (const chunk of await client.chat.completions.create({ ...body, stream: true })) chunks.push(chunk);
  } catch (error) {
    return { chunks, ...failure(error) };
  }
  return { chunks };
}

for (const item of plan) {
  const control = (path, options) => fetch(new URL(path, item.control), options);
  await control("/_fake/requests", { method: "DELETE" });
  if (item.script) {
    const set = await control("/_fake/script", { method: "POST", body: JSON.stringify(item.script) });
    if (!set.ok) throw new Error(await set.text());
  }
  const client = new OpenAI({ baseURL: item.base_url, apiKey: item.key, maxRetries: item.retries ?? 2 });
  const result = await call(client, item).catch(failure);
  const log = await (await control("/_fake/requests")).json();
  const requests = log.filter((entry) => entry.event === "arrival").map(({ path, whole }) => ({ path, ...whole }));
  console.log(JSON.stringify({ name: item.name, result, requests }));
}
