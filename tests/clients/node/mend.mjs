// Where aimock does otherwise than the vendors.

/** Google's newer SDKs ask at /v1, aimock answers at /v1beta. */
export const asked = (url) => url.replace(/^\/v1(?=\/models\/[^/]+:\w+)/, "/v1beta");

/** aimock's Bedrock takes every member of `tools` for a tool: marks for the cache are among them. */
export function told(url, body) {
  if (!url.startsWith("/model/") || !body.includes('"cachePoint"')) return body;
  const request = JSON.parse(body);
  if (request.toolConfig) request.toolConfig.tools = request.toolConfig.tools.filter((tool) => tool.toolSpec);
  return JSON.stringify(request);
}

/** What to do with the parts of an answer, if anything: `part` takes one and gives what to pass on. */
export function mending(url, status) {
  if (url.startsWith("/model/") && status >= 400) return { headers: { "x-amzn-errortype": awsClasses[status] ?? "ServiceUnavailableException" }, part: awsError };
  if (url.endsWith("/converse-stream")) return { part: awsFrames() };
  if (url === "/api/chat") return { part: ollamaCounts };
  if (url.includes(":generateContent") || url.includes(":streamGenerateContent")) return { part: googleFinish };
  return undefined;
}

const awsClasses = { 400: "ValidationException", 429: "ThrottlingException" };

/** AWS has a class in the header and `message` alone in the body. */
const awsError = (part) => JSON.stringify({ message: JSON.parse(part).error.message });

/** Bedrock opens no block of text; aimock opens it with `start: {}`, which AWS's clients refuse. */
function awsFrames() {
  let left = Buffer.alloc(0);
  return (part) => {
    left = Buffer.concat([left, part]);
    const frames = [];
    while (left.length >= 4 && left.length >= left.readUInt32BE(0)) {
      const frame = left.subarray(0, left.readUInt32BE(0));
      left = left.subarray(frame.length);
      if (!frame.includes('"start":{}')) frames.push(frame);
    }
    return Buffer.concat(frames);
  };
}

/** aimock's Ollama counts nothing: the counts of the fixtures. It thinks under another name. */
const ollamaCounts = (part) => part.toString().replaceAll('"reasoning_content"', '"thinking"').replace('"prompt_eval_count":0', '"prompt_eval_count":11').replace('"eval_count":0', '"eval_count":7');

/** Google says STOP where tools are called. */
const googleFinish = (part) => part.toString().replaceAll('"FUNCTION_CALL"', '"STOP"');
