/**
 * Jupyter's token against forged requests, as JupyterLab sends it with everything. A Hub wants it of a GET by cookie, too:
 * its users share an origin, and only pages below a server's own path can read that server's cookie `_xsrf`.
 */
export function xsrf(url: URL): Record<string, string> {
  // The most exact path comes first. To another origin the header would only be one more thing to allow.
  const token = url.origin === globalThis.origin && /(?:^|; )_xsrf=([^;]+)/.exec(document.cookie)?.[1];
  return token ? { "X-XSRFToken": token } : {};
}
