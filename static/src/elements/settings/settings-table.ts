/** The settings of this browser: a row each, from which the dialog is made. */
import type { TextKey } from "../../i18n/index.js";

import type { Prefs } from "../base/preferences.js";

export interface Setting {
  name: keyof Prefs;
  section: "look" | "writing" | "notices";
  label: TextKey;
  hint?: TextKey;
  /** Without choices it is on or off. */
  choices?: readonly (readonly [value: string, label: TextKey | { name: string }])[];
}

export const SETTINGS: readonly Setting[] = [
  {
    name: "theme",
    section: "look",
    label: "settings.theme",
    choices: [
      ["system", "settings.system"],
      ["light", "settings.light"],
      ["dark", "settings.dark"],
    ],
  },
  {
    name: "contrast",
    section: "look",
    label: "settings.contrast",
    choices: [
      ["system", "settings.system"],
      ["more", "settings.contrastMore"],
    ],
  },
  {
    name: "fontSize",
    section: "look",
    label: "settings.fontSize",
    choices: [
      ["small", "settings.small"],
      ["medium", "settings.medium"],
      ["large", "settings.large"],
    ],
  },
  {
    name: "width",
    section: "look",
    label: "settings.width",
    choices: [
      ["normal", "settings.widthNormal"],
      ["wide", "settings.widthWide"],
      ["full", "settings.widthFull"],
    ],
  },
  {
    name: "locale",
    section: "look",
    label: "settings.language",
    choices: [
      ["", "settings.browserLanguage"],
      ["en", { name: "English" }],
      ["ko", { name: "한국어" }],
    ],
  },
  {
    name: "sendKey",
    section: "writing",
    label: "settings.sendKey",
    choices: [
      ["enter", "settings.sendEnter"],
      ["ctrl-enter", "settings.sendCtrl"],
    ],
  },
  { name: "hangulSends", section: "writing", label: "settings.hangul", hint: "settings.hangulHint" },
  { name: "notify", section: "notices", label: "settings.notify", hint: "settings.notifyHint" },
];
