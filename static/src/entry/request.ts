/** One request to the gateway by what is no chat, over the connection that the chats of the page share. */
import { version } from "../../package.json";
import { lease } from "../client/shared-client.js";
import { DirectTransport } from "../client/transport.js";
import type { MethodName, ParamsOf, ResultOf } from "../protocol/types.js";

const CONNECT_MS = 10_000;

/**
 * @param base the gateway's folder, as the chats have it
 * @throws RequestRefused the gateway said no; ConnectionLost it did not answer
 */
export async function request<M extends MethodName>(
  base: string,
  method: M,
  params: ParamsOf<M>,
  locale: string,
): Promise<ResultOf<M>> {
  const client = lease(base, { transport: new DirectTransport(base), version, locale: () => locale });
  try {
    await new Promise<void>((resolve) => {
      client.onHello = () => resolve();
      setTimeout(resolve, CONNECT_MS); // then the request says that there is no connection
      client.start();
    });
    return await client.request(method, params);
  } finally {
    client.stop();
  }
}
