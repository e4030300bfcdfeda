// Vercel's SDK with its own providers: `via` says which.
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, jsonSchema, Output, stepCountIs, streamText, tool } from "ai";
import { meaning } from "./harness.mjs";

function model(item, via) {
  const options = { baseURL: `${item.origin}/v1`, apiKey: item.key };
  if (via === "anthropic") return createAnthropic(options)(item.model);
  const openai = createOpenAI(options);
  return via === "chat" ? openai.chat(item.model) : openai.responses(item.model);
}

function messages(given) {
  const content = [{ type: "text", text: given.prompt }];
  if (given.image) content.push({ type: "image", image: given.image, mediaType: "image/png" });
  const found = [{ role: "user", content }];
  if (given.results) {
    const calls = given.results.map((r) => ({ type: "tool-call", toolCallId: r.id, toolName: r.name, input: r.arguments }));
    const results = given.results.map((r) => ({ type: "tool-result", toolCallId: r.id, toolName: r.name, output: { type: "text", value: r.result } }));
    found.push({ role: "assistant", content: calls }, { role: "tool", content: results });
  }
  return found;
}

export const call = (via) => async (item) => {
  const given = item.case;
  const args = {
    model: model(item, via),
    maxRetries: 0,
    messages: messages(given),
    ...(given.system && { system: given.system }),
    ...(given.max && { maxOutputTokens: given.max }),
    ...(given.temperature && { temperature: given.temperature }),
    ...(given.stop && { stopSequences: given.stop }),
    ...(given.tools && { tools: Object.fromEntries(item.tools.map((one) => [one.name, tool({ description: one.description, inputSchema: jsonSchema(one.parameters), ...(given.loop && { execute: () => given.loop[one.name] }) })])) }),
    ...(given.loop && { stopWhen: stepCountIs(3) }),
    ...(given.choice && { toolChoice: { type: "tool", toolName: given.choice } }),
    ...(given.effort && {
      providerOptions: {
        openai: { reasoningEffort: given.effort, ...(via === "responses" && { reasoningSummary: "auto", forceReasoning: true }) },
        anthropic: { thinking: { type: "enabled", budgetTokens: 1024 } },
      },
    }),
    ...(given.schema && { output: Output.object({ schema: jsonSchema(given.schema), name: "answer" }) }),
  };
  let answer, parts;
  if (given.stream) {
    parts = [];
    answer = streamText({ ...args, onError() {} });
    for await (const part of answer.fullStream) {
      if (part.type === "error") throw part.error;
      // what was sent is compared where it arrives
      const { request, response, ...said } = part;
      parts.push({ ...said, model: response?.modelId });
    }
  } else {
    answer = await generateText(args);
  }
  const [text, thought, calls, finish, counts] = await Promise.all([answer.text, answer.reasoningText, answer.toolCalls, answer.finishReason, answer.usage]);
  const tools = calls.map((one) => ({ id: one.toolCallId, name: one.toolName, arguments: one.input }));
  const usage = { input: counts.inputTokens, output: counts.outputTokens };
  const data = given.schema && answer.output;
  const result = { text, calls, finish, counts, data, parts, content: await answer.content };
  return { result, meant: meaning({ text, thought, tools, finish, usage, data }) };
};

export const failure = (error) => ({ status: error.statusCode, message: error.message, body: error.responseBody });
