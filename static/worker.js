/**
 * The service worker of the standalone page: the shell (page, scripts, icons) opens without the gateway. Nothing else is
 * ever kept: no API, no media, no login, no token. The page comes from the network whenever there is one, so that a new
 * version is seen at once; scripts have their content in their names, so a kept one is never stale.
 */
/* global self, caches, fetch */

/** The built files, put in by the build. */
const FILES = [];
const PAGE = "chat";
const PREFIX = "clawdbot-shell-";

self.addEventListener("install", (event) => {
  event.waitUntil(fill().then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(tidy().then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const path = pathOf(request);
  if (request.method !== "GET" || path === null) return;
  if (request.mode === "navigate" && isPage(path, request.url)) event.respondWith(page(request));
  else if (FILES.includes(path)) event.respondWith(file(request));
});

/** The path below the folder of the page; `null` for anything elsewhere. */
function pathOf(request) {
  const { scope } = self.registration;
  return request.url.startsWith(scope) ? new URL(request.url).href.slice(scope.length).split(/[?#]/)[0] : null;
}

/** A link with a code logs in and must reach the gateway. */
function isPage(path, url) {
  return (path === PAGE || path === "") && !new URL(url).searchParams.has("code");
}

async function name() {
  const text = new TextEncoder().encode(FILES.join("\n"));
  const sum = await crypto.subtle.digest("SHA-256", text);
  return PREFIX + Array.from(new Uint8Array(sum).slice(0, 8), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function fill() {
  const cache = await caches.open(await name());
  await cache.addAll([PAGE, ...FILES]);
}

/** Keep the newest shell and the one before it, which an open page may still be reading from. */
async function tidy() {
  const current = await name();
  const old = (await caches.keys()).filter((each) => each.startsWith(PREFIX) && each !== current);
  await Promise.all(old.slice(0, -1).map((each) => caches.delete(each)));
}

async function page(request) {
  try {
    return await fetch(request);
  } catch (error) {
    const cache = await caches.open(await name());
    const kept = await cache.match(PAGE);
    if (kept) return kept;
    throw error;
  }
}

async function file(request) {
  return (await caches.match(request, { ignoreSearch: true })) ?? fetch(request);
}
