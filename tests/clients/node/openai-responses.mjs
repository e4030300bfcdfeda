// OpenAI's Node SDK, Responses.
import OpenAI from "openai";
import { meaning, run } from "./harness.mjs";

function entries(given) {
  const content = [{ type: "input_text", text: given.prompt }];
  if (given.image) content.push({ type: "input_image", image_url: `data:image/png;base64,${given.image}`, detail: "auto" });
  const results = given.results ?? [];
  return [
    { role: "user", content },
    ...results.map((r) => ({ type: "function_call", call_id: r.id, name: r.name, arguments: JSON.stringify(r.arguments) })),
    ...results.map((r) => ({ type: "function_call_output", call_id: r.id, output: r.result })),
  ];
}

function body(item) {
  const given = item.case;
  return {
    model: item.model,
    input: entries(given),
    ...(given.system && { instructions: given.system }),
    ...(given.max && { max_output_tokens: given.max }),
    ...(given.temperature && { temperature: given.temperature }),
    ...(given.tools && { tools: item.tools.map((tool) => ({ type: "function", strict: true, ...tool })) }),
    ...(given.choice && { tool_choice: { type: "function", name: given.choice } }),
    ...(given.effort && { reasoning: { effort: given.effort, summary: "auto" } }),
    ...(given.schema && { text: { format: { type: "json_schema", name: "answer", strict: true, schema: given.schema } } }),
  };
}

async function call(item) {
  const client = new OpenAI({ baseURL: `${item.origin}/v1`, apiKey: item.key, maxRetries: 0 });
  let answer, result;
  if (item.case.stream) {
    const events = [];
    const stream = client.responses.stream(body(item));
    for await (const event of stream) events.push(event);
    answer = await stream.finalResponse();
    result = { events, final: answer };
  } else {
    const args = body(item);
    answer = await client.responses.create(args);
    if (item.case.loop) {
      const calls = answer.output.filter((one) => one.type === "function_call");
      args.input.push(...answer.output, ...calls.map((one) => ({ type: "function_call_output", call_id: one.call_id, output: item.case.loop[one.name] })));
      answer = await client.responses.create(args);
    }
    result = answer;
  }
  const text = answer.output_text;
  const tools = answer.output.filter((one) => one.type === "function_call").map((one) => ({ id: one.call_id, name: one.name, arguments: one.arguments }));
  const thought = answer.output.filter((one) => one.type === "reasoning").flatMap((one) => one.summary).map((part) => part.text).join("");
  const usage = { input: answer.usage.input_tokens, output: answer.usage.output_tokens };
  return { result, meant: meaning({ text, thought, tools, finish: answer.status, usage, data: item.case.schema && text }) };
}

await run(call, (error) => ({ status: error.status, message: error.error ?? error.message }));
