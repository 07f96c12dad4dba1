/** What can be done with sessions besides talking in them; with what is on file, `session-files.ts`. Each act asks the gateway and rejects with the client's errors. */
import type { Client } from "../client/gateway-client.js";
import type { ParamsOf, ResultOf } from "../protocol/types.js";

/** Settings of one session; `null` returns one to its default. */
export type SessionChange = Omit<ParamsOf<"sessions.patch">, "key">;

export class SessionActs {
  constructor(private readonly client: Client) {}

  change(key: string, change: SessionChange): Promise<ResultOf<"sessions.patch">> {
    return this.client.request("sessions.patch", { key, ...change });
  }

  rename(key: string, label: string): Promise<unknown> {
    const text = label.trim().normalize("NFC");
    return this.change(key, { label: text === "" ? null : text });
  }

  reset(key: string): Promise<unknown> {
    return this.client.request("sessions.reset", { key });
  }

  clear(key: string): Promise<unknown> {
    return this.client.request("sessions.clear", { key });
  }

  undoClear(key: string): Promise<unknown> {
    return this.client.request("sessions.undo", { key });
  }

  remove(key: string): Promise<ResultOf<"sessions.delete">> {
    return this.client.request("sessions.delete", { key, deleteTranscript: true });
  }

  undoRemove(key: string): Promise<unknown> {
    return this.client.request("sessions.undelete", { key });
  }

  /** A session that is written nowhere; its key. */
  async newTemporary(): Promise<string> {
    return (await this.client.request("sessions.new", { temporary: true })).key;
  }
}
