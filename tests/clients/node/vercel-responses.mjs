// Vercel's SDK with its provider for OpenAI, Responses.
import { run } from "./harness.mjs";
import { call, failure } from "./vercel.mjs";

await run(call("responses"), failure);
