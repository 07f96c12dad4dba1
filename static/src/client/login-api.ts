/** The login over HTTP: who is logged in, and the end of it. How one logs in is `log-in.ts`, for those who must. */
import type { AuthSession, Refused } from "../protocol/types.js";
import { xsrf } from "./xsrf.js";

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

  /** Where another login is in front of the page, it leads there. */
  async logout(): Promise<void> {
    const to = (await this.post("auth/logout", {})).headers.get("Location");
    if (to) location.assign(to);
  }

  post(path: string, body: object): Promise<Response> {
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

/** The gateway's reasons in a refusal, if they are there. */
export function refusal(response: Response): Promise<Refused | undefined> {
  return response.json().then(
    (body) => body as Refused,
    () => undefined,
  );
}
