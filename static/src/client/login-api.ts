/** Logging in over HTTP. The credential goes to the gateway once and comes back as a cookie that scripts cannot read. */
import type { AuthSession, Refused } from "../protocol/types.js";
import { xsrf } from "./xsrf.js";

export type LoginResult =
  | { ok: true }
  | { ok: false; reason: "wrong" | "limited" | "unreachable"; retryAfterMs?: number }
  | { ok: false; reason: "refused"; refused: Refused };

export class AuthApi {
  constructor(
    readonly base: string,
    private readonly http: typeof fetch = (...args) => fetch(...args),
  ) {}

  /** Who are we? `null` when the gateway does not answer. By POST the browser shows its origin, as a socket does. */
  async session(method: "GET" | "POST" = "GET"): Promise<AuthSession | null> {
    try {
      const url = new URL("auth/session", this.base);
      const response = await this.http(url, {
        method,
        credentials: "same-origin",
        cache: "no-store",
        headers: xsrf(url),
        signal: AbortSignal.timeout(10_000),
      });
      if (response.ok) return (await response.json()) as AuthSession;
      if (response.status !== 401 && response.status !== 403) return null;
      const refused = await refusal(response); // nothing of ours where a proxy or a Hub answers for a stopped server
      return refused ? { authenticated: false, modes: [], mount: "jupyter", refused } : null;
    } catch {
      return null;
    }
  }

  /** The answer a client's probe needs. */
  async probe(): Promise<"ok" | "unauthorized" | "unreachable"> {
    const session = await this.session("POST");
    if (!session) return "unreachable";
    return session.authenticated ? "ok" : "unauthorized";
  }

  async login(mode: "token" | "password", secret: string): Promise<LoginResult> {
    try {
      const response = await this.post("auth/login", { [mode]: secret });
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

  async logout(): Promise<void> {
    await this.post("auth/logout", {});
  }

  private post(path: string, body: object): Promise<Response> {
    const url = new URL(path, this.base);
    return this.http(url, {
      method: "POST",
      credentials: "same-origin",
      headers: { ...xsrf(url), "Content-Type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(10_000),
    });
  }
}

/** What a refusal says of itself, if it does. */
function refusal(response: Response): Promise<Refused | undefined> {
  return response.json().then(
    (body) => body as Refused,
    () => undefined,
  );
}
