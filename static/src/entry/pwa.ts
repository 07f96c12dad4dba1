/** The standalone page as an app of its own: manifest and service worker. Not in another Jupyter server, whose page it is. */

/** Fetches nothing but our own worker: the one script URL that Trusted Types lets through. */
const policy = window.trustedTypes?.createPolicy("clawdbot-worker", {
  createScriptURL: (url) => (url === "./sw.js" ? url : ""),
});

export function install(): void {
  const link = document.createElement("link");
  link.rel = "manifest";
  link.href = "./manifest.webmanifest";
  document.head.append(link);
  if (!("serviceWorker" in navigator)) return; // plain http on another machine
  const url = (policy?.createScriptURL("./sw.js") ?? "./sw.js") as string;
  void navigator.serviceWorker.register(url, { scope: "./" }).catch(() => undefined); // the page works without
}
