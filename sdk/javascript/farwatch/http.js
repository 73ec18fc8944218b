// HTTP probes that say why there is no answer. Nothing here is awaited: the functions of the treaty wait by themselves.
//
// `get(url, timeoutMs)` returns an answer or throws: a problem, where the host made no probe, which `run` lets pass; and a
// `Failed` where the target gave no answer, whose `outcome` says so. Redirects are not followed: `location` says where one
// leads. It works in a component only, so files that tests run under Node do not import it.

import { fetch as probe } from "farwatch:check/http@0.1.0";

import { down, problem } from "./module.js";

/** How much of a body is read, unless that is said; at most 1 MiB. */
const BODY_BYTES = 256 * 1024;

/** There is no answer. `code` says why: "connection-refused", "dns-not-found", "first-byte-timeout". */
export class Failed extends Error {
  constructor({ code, message, times }) {
    super(message);
    this.code = code;
    this.facts = { latencyMs: times.total / 1000, ...took(times) };
  }

  /** What that says of the target: that it is down, by these words. */
  get outcome() {
    return down(this.code, this.message, this.facts);
  }
}

/** Asks for a page. `timeoutMs` is for the whole request; give it what is left of `context.timeoutMs`. */
export const get = (url, timeoutMs, more = {}) => request("GET", url, timeoutMs, more);

/** Any request: `headers` as pairs, `body` as text or bytes. */
export function request(method, url, timeoutMs, { headers = [], body, verifyTls = true, maxBodyBytes = BODY_BYTES } = {}) {
  const asked = {
    method, url, headers, verifyTls, maxBodyBytes, timeoutMs,
    body: typeof body === "string" ? new TextEncoder().encode(body) : body,
    version: "automatic",
    want: { headers: true, body: true },
  };
  let answer;
  try {
    answer = probe(asked);
  } catch (error) {
    const failure = error.payload ?? error;
    const byHost = failure.phase === "prepare" || failure.code === "egress-refused";
    throw byHost ? problem(failure.code, failure.message) : new Failed(failure);
  }
  const facts = { latencyMs: answer.times.total / 1000, "http.status": answer.status, ...took(answer.times) };
  return {
    status: answer.status,
    ok: answer.status >= 200 && answer.status < 300,
    location: answer.location,
    headers: answer.headers,
    text: new TextDecoder().decode(answer.body),
    isCut: answer.bodyTruncated,
    facts,
  };
}

/** How long each step took, under the names that the built-in modules use. */
function took(times) {
  const steps = { resolve: "resolve", connect: "connect", tls: "tls", firstByte: "first-byte", transfer: "transfer" };
  const known = Object.entries(steps).filter(([step]) => times[step] !== undefined);
  return Object.fromEntries(known.map(([step, name]) => [`time.${name}-us`, times[step]]));
}
