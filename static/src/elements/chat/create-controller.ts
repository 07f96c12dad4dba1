/** Puts the core together for a browser: transport, client, drafts, controller. Nothing is opened yet. */
import { version } from "../../../package.json";
import { AuthApi } from "../../client/login-api.js";
import { GatewayClient } from "../../client/gateway-client.js";
import type { Client, ClientOptions } from "../../client/gateway-client.js";
import { Controller } from "../../state/controller.js";
import { Drafts } from "../../state/drafts.js";
import type { KeyValue } from "../../state/drafts.js";
import { DirectTransport } from "../../client/transport.js";
import { browserStorage } from "../base/preferences.js";
import type { Transport } from "../../client/transport.js";

const LOOPBACK = /^(?:localhost|127\.[\d.]+|\[::1\])$/;

export interface Home {
  /** The gateway's folder as an absolute URL. */
  base: string;
  /** A transport of the home's own; logging in is then the home's business too. */
  transport: Transport | undefined;
  locale: () => string;
  sessionKey: string;
  storage: KeyValue | null;
}

/**
 * How a chat gets its client; `key` tells gateways and credentials apart. A page of ours has one chat; where there may be
 * several, `embed.ts` has them share a connection.
 */
export const clients: { of(key: unknown, options: ClientOptions): Client } = {
  of: (_, options) => new GatewayClient(options),
};

export function connect(home: Home): { controller: Controller; auth: AuthApi } {
  const auth = new AuthApi(home.base);
  const client = clients.of(home.transport ?? home.base, {
    transport: home.transport ?? new DirectTransport(home.base),
    version,
    locale: home.locale,
    ...(home.transport ? {} : { probe: () => auth.probe() }),
    // Without a network this machine still reaches itself.
    online: () => navigator.onLine || LOOPBACK.test(new URL(home.base).hostname),
  });
  return {
    controller: new Controller({
      client,
      drafts: new Drafts(home.storage, browserStorage("sessionStorage")),
      sessionKey: home.sessionKey,
    }),
    auth,
  };
}
