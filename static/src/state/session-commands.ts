/** What can be done with sessions besides talking in them. Each act asks the gateway and rejects with the client's errors. */
import type { Client } from "../client/gateway-client.js";
import type { ExportFormat, History, ParamsOf, ResultOf, Transcript } from "../protocol/types.js";

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

  /** A copy of a session; its key. */
  async fork(key: string, label?: string): Promise<string> {
    const made = await this.client.request("sessions.fork", { key, ...(label === undefined ? {} : { label }) });
    return made.key;
  }

  /** A session that is written nowhere; its key. */
  async newTemporary(): Promise<string> {
    return (await this.client.request("sessions.new", { temporary: true })).key;
  }

  async transcripts(key: string): Promise<Transcript[]> {
    return (await this.client.request("sessions.transcripts", { key })).transcripts;
  }

  restore(sessionId: string): Promise<unknown> {
    return this.client.request("sessions.restore", { sessionId });
  }

  /** A page of any transcript, archived ones too: the newest, or that before `beforeSeq`. */
  read(sessionId: string, limit: number, beforeSeq?: number): Promise<History> {
    const page = beforeSeq === undefined ? {} : { beforeSeq };
    return this.client.request("chat.history", { sessionId, limit, ...page });
  }

  search(query: string, before?: number): Promise<ResultOf<"sessions.search">> {
    return this.client.request("sessions.search", { query, ...(before === undefined ? {} : { before }) });
  }

  /** The conversation on file: its name, type and content. */
  exported(key: string, format: ExportFormat): Promise<ResultOf<"sessions.export">> {
    return this.client.request("sessions.export", { key, format });
  }

  /** Take conversations over from a file's text. */
  imported(name: string, content: string): Promise<ResultOf<"sessions.import">> {
    return this.client.request("sessions.import", { name, content });
  }
}
