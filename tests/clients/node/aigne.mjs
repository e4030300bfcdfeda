// AIGNE Hub's client. Its direct run speaks to OpenAI, as the same class does with a model of that name.
import { AIGNEHubChatModel } from "@aigne/aigne-hub";
import { meaning, run } from "./harness.mjs";

function messages(given) {
  const content = [{ type: "text", text: given.prompt }];
  if (given.image) content.push({ type: "file", data: given.image, mimeType: "image/png" });
  const results = given.results ?? [];
  return [
    ...(given.system ? [{ role: "system", content: given.system }] : []),
    { role: "user", content },
    ...(given.results
      ? [{ role: "agent", toolCalls: results.map((r) => ({ id: r.id, type: "function", function: { name: r.name, arguments: r.arguments } })) }]
      : []),
    ...results.map((r) => ({ role: "tool", toolCallId: r.id, content: r.result })),
  ];
}

async function call(item) {
  const given = item.case;
  const direct = item.run === "direct";
  const model = new AIGNEHubChatModel({
    baseURL: direct ? `${item.origin}/v1` : item.origin,
    apiKey: item.key,
    model: direct ? `openai/${item.model}` : `aignehub/${item.model}`,
    clientOptions: { clientId: "the-test" },
  });
  const input = {
    messages: messages(given),
    modelOptions: { ...(given.temperature && { temperature: given.temperature }), ...(given.effort && { reasoningEffort: given.effort }) },
    ...(given.tools && { tools: item.tools.map((tool) => ({ type: "function", function: tool })) }),
    ...(given.choice && { toolChoice: { type: "function", function: item.tools.find((one) => one.name === given.choice) } }),
    ...(given.schema && { responseFormat: { type: "json_schema", jsonSchema: { name: "answer", strict: true, schema: given.schema } } }),
  };
  const answer = {};
  const chunks = [];
  if (given.stream) {
    for await (const chunk of await model.invoke(input, { streaming: true })) {
      chunks.push(chunk);
      for (const [name, piece] of Object.entries(chunk.delta?.text ?? {})) answer[name] = (answer[name] ?? "") + piece;
      Object.assign(answer, chunk.delta?.json);
    }
  } else {
    let said = await model.invoke(input);
    if (given.loop) {
      const results = said.toolCalls.map((tool) => ({ role: "tool", toolCallId: tool.id, content: given.loop[tool.function.name] }));
      said = await model.invoke({ ...input, messages: [...input.messages, { role: "agent", content: said.text, toolCalls: said.toolCalls }, ...results] });
    }
    Object.assign(answer, said);
  }
  const tools = (answer.toolCalls ?? []).map((tool) => ({ id: tool.id, name: tool.function.name, arguments: tool.function.arguments }));
  const usage = { input: answer.usage?.inputTokens, output: answer.usage?.outputTokens };
  return { result: { answer, chunks }, meant: meaning({ text: answer.text, thought: answer.thoughts, tools, usage, data: answer.json }) };
}

await run(call, (error) => ({ status: error.status ?? null, message: error.message, type: error.type ?? null }));
