/**
 * Jupyter's token against forged requests, as JupyterLab sends it with everything. A Hub wants it of a GET by cookie, too:
 * its users share an origin, and only pages below a server's own path can read that server's cookie `_xsrf`.
 */
export function xsrf(url: URL): Record<string, string> {
  const token = xsrfToken(url);
  return token ? { "X-XSRFToken": token } : {};
}

/** The token itself: a socket, which has no headers to set, shows it in its address. */
export function xsrfToken(url: URL): string | false | undefined {
  // The most exact path comes first. To another origin the header would only be one more thing to allow.
  return url.origin === globalThis.origin && /(?:^|; )_xsrf=([^;]+)/.exec(document.cookie)?.[1];
}
