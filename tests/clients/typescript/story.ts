/**
 * The newcomer's story, told with the TypeScript client whose types are generated from the OpenAPI document.
 *
 * It asks for what is in a mail with a line such as `token alice@example.com`, and reads the answer from its next line.
 */
import { deepStrictEqual as equal } from "node:assert";
import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline/promises";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.ts";

type Pair = components["schemas"]["TokenPair"] | components["schemas"]["RefreshedTokenPair"];

const [, , baseUrl = "", serviceKey = ""] = process.argv;
const email = `newcomer-${randomUUID().slice(0, 8)}@example.com`;
const password = "correct horse battery";
const newPassword = "another horse altogether";

const terminal = createInterface({ input: process.stdin, output: process.stdout });
const mailed = (what: string) => terminal.question(`${what} ${email}\n`);

const nobody = createClient<paths>({ baseUrl });
const signedIn = (pair: Pair) =>
  createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${pair.access_token}` } });
const service = createClient<paths>({ baseUrl, headers: { "X-Service-Key": serviceKey } });
type Client = typeof nobody;

async function good<Data>(answer: Promise<{ data?: Data; error?: { code: string } }>): Promise<Data> {
  const { data, error } = await answer;
  if (data === undefined) throw new Error(error?.code);
  return data;
}

async function whyNot(password: string): Promise<string> {
  const { error } = await nobody.POST("/auth/login", { body: { email, password } });
  if (error === undefined) return "signed in";
  switch (error.code) {
    case "invalid_credentials":
    case "email_not_verified":
    case "account_locked":
      return error.code;
    case "validation_error":
    case "body_too_large":
    case "request_too_large":
    case "unsupported_media_type":
      return "a fault of this program";
    case "rate_limited":
    case "busy":
    case "service_unavailable":
    case "signing_key_sealed":
    case "internal_error":
      return "later, perhaps"; // the compiler says so if there is one more
  }
}

async function registers(): Promise<void> {
  const pair = await good(nobody.POST("/auth/register", { body: { email, password, name: "Newcomer" } }));
  equal(await good(signedIn(pair).GET("/home")), { message: "Welcome, Newcomer!" });
  equal(await whyNot(password), "email_not_verified");
  equal(await good(nobody.POST("/auth/verify-email", { body: { token: await mailed("token") } })), { ok: true });
}

async function logsIn(password: string): Promise<Pair> {
  const pair = await good(nobody.POST("/auth/login", { body: { email, password } }));
  const me = await good(signedIn(pair).GET("/users/me"));
  equal([me.email, me.name, me.role], [email, "Newcomer", "USER"]);
  equal(await good(signedIn(pair).GET("/users/is-admin")), { is_admin: false });
  return pair;
}

const attempt = (question_id: number, passed_tests: number) => ({
  body: { question_id, language: "python", submitted_code: "print(42)", passed_tests, total_tests: 5 },
});

async function submitsAttempts(client: Client): Promise<void> {
  for (const [question, passed] of [[17, 3], [17, 5], [18, 5]] as const) {
    const recorded = await good(client.POST("/api/v1/attempts", attempt(question, passed)));
    equal(recorded.is_solved, passed === 5);
  }
  const { error } = await client.POST("/api/v1/attempts", attempt(17, 6));
  if (error?.code !== "validation_error") throw new Error(error?.code);
  equal(error.detail[0]?.msg, "passed_tests must not be more than total_tests.");
}

async function looksBack(client: Client): Promise<void> {
  const page = await good(client.GET("/api/v1/attempts/me", { params: { query: { limit: 2 } } }));
  equal(page.map((each) => each.question_id), [18, 17]);
  const summary = await good(client.GET("/api/v1/attempts/me/summary"));
  equal([summary.total_attempts, summary.solved], [3, 2]);
  for (const { id } of page) {
    const shown = await good(client.GET("/api/v1/attempts/{attempt_id}", { params: { path: { attempt_id: id } } }));
    equal(shown.submitted_code, "print(42)");
  }
  const file = { params: { query: { format: "csv" } }, parseAs: "text" } as const;
  equal((await good(client.GET("/api/v1/attempts/me/export", file))).split("\r\n").length, 5);
  const account = await good(client.GET("/users/me/export"));
  equal([account.profile.email, account.questions[0]?.best_passed_tests], [email, 5]);
}

async function forgetsThePasswordAndResetsIt(client: Client): Promise<void> {
  for (let guess = 0; guess < 3; guess++) equal(await whyNot("was it this one?"), "invalid_credentials");
  equal(await whyNot(password), "account_locked");
  equal(await good(nobody.POST("/auth/forgot-password", { body: { email } })), { ok: true });
  const guess = { email, code: await mailed("code") };
  equal(await good(nobody.POST("/auth/verify-reset-code", { body: guess })), { ok: true });
  const reset = { body: { ...guess, new_password: newPassword } };
  equal(await good(nobody.POST("/auth/reset-password", reset)), { ok: true });
  equal((await nobody.POST("/auth/reset-password", reset)).error?.code, "invalid_reset_code");
  equal((await client.GET("/users/me")).error?.code, "invalid_token");
}

async function comesBackAndLeaves({ refresh_token }: Pair): Promise<void> {
  const pair = await good(nobody.POST("/auth/refresh", { body: { refresh_token } }));
  const client = signedIn(pair);
  equal(await good(client.POST("/auth/verify-password", { body: { password: newPassword } })), { ok: true });
  equal(await good(client.POST("/auth/logout")), { ok: true, message: "Logged out successfully" });
  const ended = await nobody.POST("/auth/refresh", { body: { refresh_token: pair.refresh_token } });
  equal(ended.error?.code, "invalid_refresh_token");
  const gone = await good(signedIn(await logsIn(newPassword)).DELETE("/users/me"));
  equal(gone, { message: "Account deleted successfully." });
  equal(await whyNot(newPassword), "invalid_credentials");
}

async function isHeardOfByOtherServices(): Promise<void> {
  const { events, next } = await good(service.GET("/internal/revocations"));
  equal(events.at(-1)?.reason, "deleted");
  await good(service.GET("/internal/revocations", { params: { query: { since: next } } }));
}

await registers();
const first = await logsIn(password);
await submitsAttempts(signedIn(first));
await looksBack(signedIn(first));
await forgetsThePasswordAndResetsIt(signedIn(first));
await comesBackAndLeaves(await logsIn(newPassword));
await isHeardOfByOtherServices();
terminal.close();
