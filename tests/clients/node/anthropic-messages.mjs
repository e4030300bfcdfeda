// Anthropic's Node SDK.
import Anthropic from "@anthropic-ai/sdk";
import { meaning, run } from "./harness.mjs";

function messages(given) {
  const content = [{ type: "text", text: given.prompt }];
  if (given.image) content.unshift({ type: "image", source: { type: "base64", media_type: "image/png", data: given.image } });
  const found = [{ role: "user", content }];
  if (given.results) {
    found.push({ role: "assistant", content: given.results.map((r) => ({ type: "tool_use", id: r.id, name: r.name, input: r.arguments })) });
    found.push({ role: "user", content: given.results.map((r) => ({ type: "tool_result", tool_use_id: r.id, content: r.result })) });
  }
  return found;
}

function body(item) {
  const given = item.case;
  return {
    model: item.model,
    max_tokens: given.max ?? 64,
    messages: messages(given),
    ...(given.system && { system: given.system }),
    ...(given.temperature && { temperature: given.temperature }),
    ...(given.stop && { stop_sequences: given.stop }),
    ...(given.tools && { tools: item.tools.map((tool) => ({ name: tool.name, description: tool.description, input_schema: tool.parameters })) }),
    ...(given.choice && { tool_choice: { type: "tool", name: given.choice } }),
    ...(given.effort && { thinking: { type: "enabled", budget_tokens: 1024 } }),
    ...(given.schema && { output_config: { format: { type: "json_schema", schema: given.schema } } }),
  };
}

async function call(item) {
  const client = new Anthropic({ baseURL: item.origin, apiKey: item.key, maxRetries: 0 });
  let answer, result;
  if (item.case.stream) {
    const events = [];
    const stream = client.messages.stream(body(item));
    stream.on("streamEvent", (event) => events.push(event));
    answer = await stream.finalMessage();
    result = { events, final: answer };
  } else {
    const args = body(item);
    answer = await client.messages.create(args);
    if (item.case.loop) {
      const uses = answer.content.filter((block) => block.type === "tool_use");
      const given = uses.map((use) => ({ type: "tool_result", tool_use_id: use.id, content: item.case.loop[use.name] }));
      args.messages.push({ role: "assistant", content: answer.content }, { role: "user", content: given });
      answer = await client.messages.create(args);
    }
    result = answer;
  }
  const text = answer.content.filter((block) => block.type === "text").map((block) => block.text).join("");
  const tools = answer.content.filter((block) => block.type === "tool_use").map(({ id, name, input }) => ({ id, name, arguments: input }));
  const thought = answer.content.filter((block) => block.type === "thinking").map((block) => block.thinking).join("");
  const usage = { input: answer.usage.input_tokens, output: answer.usage.output_tokens };
  return { result, meant: meaning({ text, thought, tools, finish: answer.stop_reason, usage, data: item.case.schema && text }) };
}

await run(call, (error) => ({ status: error.status, message: error.error ?? error.message }));
