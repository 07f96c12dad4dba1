/** Logging in over HTTP. The credential goes to the gateway once and comes back as a cookie that scripts cannot read. */
import type { Refused } from "../protocol/types.js";
import { refusal } from "./login-api.js";
import type { AuthApi } from "./login-api.js";

export type LoginResult =
  | { ok: true }
  | { ok: false; reason: "wrong" | "limited" | "unreachable"; retryAfterMs?: number }
  | { ok: false; reason: "refused"; refused: Refused };

/** Log in with a token or a password; fetched with the form that asks for it. */
export async function logIn(auth: AuthApi, mode: "token" | "password", secret: string): Promise<LoginResult> {
  try {
    const response = await auth.post("auth/login", { [mode]: secret });
    if (response.ok) return { ok: true };
    const refused = await refusal(response.clone());
    if (refused?.setting) return { ok: false, reason: "refused", refused };
    if (response.status !== 429) return { ok: false, reason: "wrong" };
    const { retryAfterMs } = (await response.json()) as { retryAfterMs?: number };
    return { ok: false, reason: "limited", retryAfterMs: retryAfterMs ?? 10_000 };
  } catch {
    return { ok: false, reason: "unreachable" };
  }
}
