/** Logging in over HTTP. The credential goes to the gateway once and comes back as a cookie that scripts cannot read. */
import type { AuthSession } from "./protocol.js";

export type LoginResult =
  { ok: true } | { ok: false; reason: "wrong" | "limited" | "unreachable"; retryAfterMs?: number };

export class AuthApi {
  constructor(
    private readonly base: string,
    private readonly http: typeof fetch = (...args) => fetch(...args),
  ) {}

  /** Who are we? `null` when the gateway does not answer. */
  async session(): Promise<AuthSession | null> {
    try {
      const response = await this.http(new URL("auth/session", this.base), {
        credentials: "same-origin",
        cache: "no-store",
        signal: AbortSignal.timeout(10_000),
      });
      if (response.ok) return (await response.json()) as AuthSession;
      if (response.status === 401 || response.status === 403)
        return { authenticated: false, modes: [], mount: "jupyter" };
      return null;
    } catch {
      return null;
    }
  }

  /** The answer a client's probe needs. */
  async probe(): Promise<"ok" | "unauthorized" | "unreachable"> {
    const session = await this.session();
    if (!session) return "unreachable";
    return session.authenticated ? "ok" : "unauthorized";
  }

  async login(mode: "token" | "password", secret: string): Promise<LoginResult> {
    try {
      const response = await this.post("auth/login", { [mode]: secret });
      if (response.ok) return { ok: true };
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
    return this.http(new URL(path, this.base), {
      method: "POST",
      credentials: "same-origin",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(10_000),
    });
  }
}
