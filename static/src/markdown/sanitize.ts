/** The second lock: whatever HTML a renderer made passes here, and only what is listed gets through. */
import DOMPurify from "dompurify";
import type { Config } from "dompurify";

import { INLINE_IMAGE } from "./parse.js";

const MESSAGE: Config = {
  ALLOWED_TAGS: [
    ..."a blockquote br code del div em h1 h2 h3 h4 h5 h6 hr img li ol p pre span strong table tbody td th thead tr ul".split(
      " ",
    ),
  ],
  ALLOWED_ATTR: ["align", "alt", "class", "href", "rel", "src", "start", "target", "title"],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|data:image\/(?:png|jpeg|gif|webp);base64,)/i,
  // Values that are no addresses need not look like one.
  ADD_URI_SAFE_ATTR: ["align", "rel", "start", "target"],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
};

// DOMPurify lets any `data:` through in an image; an SVG there is a document of its own.
DOMPurify.addHook("uponSanitizeAttribute", (_node, data) => {
  if (data.attrName === "src" && !INLINE_IMAGE.test(data.attrValue)) data.keepAttr = false;
});

const MATH: Config = {
  USE_PROFILES: { mathMl: true },
  FORBID_ATTR: ["style", "href", "id", "name"],
  ALLOW_DATA_ATTR: false,
};

/** `TrustedHTML` where the browser has Trusted Types, else a string; both fit `innerHTML`. */
export function sanitizeMessage(html: string): string {
  return DOMPurify.sanitize(html, { ...MESSAGE, RETURN_TRUSTED_TYPE: true }) as unknown as string;
}

export function sanitizeMath(markup: string): string {
  return DOMPurify.sanitize(markup, { ...MATH, RETURN_TRUSTED_TYPE: true }) as unknown as string;
}
